import { connect, type Socket } from 'node:net';

/**
 * A load generator for one request over and over, as cheap as it can be, since it shares the machine with what it
 * measures: keep-alive connections, one request at a time on each, answers counted by their Content-Length.
 */
export interface Load {
  readonly port: number;
  readonly connections: number;
  readonly seconds: number;
  /** The n-th request, with its headers and body. */
  readonly request: (n: number) => string;
}

export interface LoadResult {
  readonly answers: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Status → how many. */
  readonly byStatus: Readonly<Record<string, number>>;
}

export async function putLoad(load: Load): Promise<LoadResult> {
  const byStatus: Record<string, number> = {};
  const latencies: number[] = [];
  const startMs = performance.now();
  const untilMs = startMs + load.seconds * 1_000;
  let sent = 0;
  const one = () => {
    sent += 1;
    return load.request(sent);
  };
  const onAnswer = (status: string, ms: number): void => {
    byStatus[status] = (byStatus[status] ?? 0) + 1;
    latencies.push(ms);
  };
  await Promise.all(Array.from({ length: load.connections }, () => drive(load.port, untilMs, one, onAnswer)));
  const passedS = (performance.now() - startMs) / 1_000;
  latencies.sort((a, b) => a - b);
  const at = (share: number): number => latencies[Math.floor(share * (latencies.length - 1))] ?? Number.NaN;
  return {
    answers: latencies.length,
    perSecond: Math.round(latencies.length / passedS),
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    byStatus,
  };
}

function drive(
  port: number,
  untilMs: number,
  next: () => string,
  onAnswer: (status: string, ms: number) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket: Socket = connect({ host: '127.0.0.1', port, noDelay: true });
    let buffered = '';
    let sentMs = 0;
    const send = (): void => {
      sentMs = performance.now();
      if (sentMs >= untilMs) return void socket.end();
      socket.write(next());
    };
    socket.setEncoding('latin1');
    socket.on('connect', send);
    socket.on('error', reject);
    socket.on('close', () => resolve());
    socket.on('data', (chunk: string) => {
      buffered += chunk;
      const head = buffered.indexOf('\r\n\r\n');
      if (head < 0) return;
      const length = Number(/content-length: (\d+)/i.exec(buffered)?.[1] ?? 0);
      if (buffered.length < head + 4 + length) return;
      onAnswer(buffered.slice(9, 12), performance.now() - sentMs);
      buffered = '';
      send();
    });
  });
}
