import { encodeFrame, type LinkFrame } from '../../../src/dnp3/link/frame.ts';
import { LinkParser } from '../../../src/dnp3/link/parser.ts';
import type { OutstationConfig } from '../../../src/dnp3/outstation/config.ts';
import { OutstationSession } from '../../../src/dnp3/outstation/session.ts';
import { Stack } from '../../../src/dnp3/stack.ts';
import { hex, octets } from './hex.ts';

/** Sends an application fragment and gives back the answers' application octets. */
export class Desk {
  readonly session: OutstationSession;
  nowMs = 0;
  private readonly master = new Stack({
    role: 'master',
    localAddress: 1,
    remoteAddress: 10,
    interOctetMs: 1000,
    fragmentOctetsMax: 2048,
  });

  constructor(config: Partial<OutstationConfig> = {}) {
    this.session = new OutstationSession({
      localAddress: 10,
      remoteAddress: 1,
      points: [],
      unsolicited: false,
      onControl: () => 0,
      ...config,
    });
    this.session.connected(0);
    // The vectors are of a device whose restart bit was cleared.
    this.ask('C0 02 50 01 00 07 07 00');
  }

  ask(app: string): string {
    this.master.sendFragment(octets(app));
    for (const out of this.master.takeOutput()) this.session.receive(out, this.nowMs);
    return this.answers();
  }

  /** Sends one link frame from the master; gives back the functions of the secondary frames that answer it. */
  link(part: Pick<LinkFrame, 'functionCode' | 'fcb' | 'fcvOrDfc' | 'userData'>): number[] {
    const frame = { fromMaster: true, primary: true, destination: 10, source: 1, ...part };
    this.session.receive(encodeFrame(frame), this.nowMs);
    const frames = this.session.takeOutput().flatMap((out) => new LinkParser(1000).push(out, this.nowMs));
    return frames.filter((f) => !f.primary).map((f) => f.functionCode);
  }

  broadcast(app: string, destination: number): void {
    const userData = octets(`C0 ${app}`);
    const frame = encodeFrame({
      fromMaster: true,
      primary: true,
      fcb: false,
      fcvOrDfc: false,
      functionCode: 4,
      destination,
      source: 1,
      userData,
    });
    this.session.receive(frame, this.nowMs);
  }

  answers(): string {
    const got = this.session.takeOutput().flatMap((out) => this.master.receive(out, this.nowMs));
    return got.map((i) => (i.kind === 'fragment' ? hex(i.octets) : i.kind)).join(' ');
  }
}
