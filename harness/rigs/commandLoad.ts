import { isoUtc } from '../../src/domain/time.ts';
import { type LoadResult, requestOctets, runLoad } from './httpLoad.ts';
import type { CommandLoad, CommandsDone } from './loadTasks.ts';

const HOST = '127.0.0.1';
const HOUR_MS = 3_600_000;

export async function commandLoad(load: CommandLoad): Promise<CommandsDone> {
  const { deviceIds, key, name, wantsIds, port, connections, durationMs, perSecond } = load;
  const ids: [string, string][] = [];
  const deviceOf = (n: number): string => deviceIds[n % deviceIds.length] ?? '';
  const startsAt = isoUtc(Date.now() + 6 * HOUR_MS);
  const endsAt = isoUtc(Date.now() + 8 * HOUR_MS);
  const result = await runLoad({
    host: HOST,
    port,
    connections,
    durationMs,
    ...(perSecond === undefined ? {} : { perSecond }),
    request: (n) => {
      const input = `{"operatingMode":"charge","maximumBatteryReserve":${50 + (n % 50)},"enableGridInteraction":false}`;
      const body = `{"deviceId":"${deviceOf(n)}","input":${input},"startsAt":"${startsAt}","endsAt":"${endsAt}"}`;
      const headers = {
        'texture-api-key': key,
        'content-type': 'application/json',
        'idempotency-key': `${name}-${n}`,
      };
      return requestOctets('POST', '/v1/commands', headers, body);
    },
    ...(wantsIds
      ? {
          onAnswer: (n: number, status: number, body: string) => {
            if (status === 202) ids.push([deviceOf(n), (JSON.parse(body) as { id: string }).id]);
          },
        }
      : {}),
  });
  return doneOf(result, ids);
}

/** The least that the service can do for a request: what the durable answers are measured against. */
export async function noOpLoad(load: {
  readonly port: number;
  readonly connections: number;
  readonly durationMs: number;
}): Promise<CommandsDone> {
  const octets = requestOctets('GET', '/v1/nothing', {}, '');
  return doneOf(await runLoad({ host: HOST, ...load, request: () => octets }), []);
}

const doneOf = (result: LoadResult, ids: CommandsDone['ids']): CommandsDone => ({
  kind: 'loaded',
  answered: result.answered,
  perSecond: result.perSecond,
  statuses: result.statuses,
  broken: result.broken,
  p50Ms: result.latency.quantileMs(0.5),
  p99Ms: result.latency.quantileMs(0.99),
  maxMs: result.latency.maxMs,
  ids,
});
