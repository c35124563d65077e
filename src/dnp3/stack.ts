import {
  type Broadcast,
  broadcastKind,
  encodeFrame,
  frameOctets,
  type LinkFrame,
  PRIMARY,
  RESERVED_ADDRESS_MIN,
  SECONDARY,
  writeFrame,
} from './link/frame.ts';
import { LinkParser } from './link/parser.ts';
import { Reassembler } from './transport/reassembler.ts';
import { Segmenter } from './transport/segmenter.ts';
import { ByteWriter } from './util/bytes.ts';

/**
 * Link and transport of one end of one connection: octets in, application fragments out, and back.
 *
 * As a primary it sends unconfirmed user data (link confirmation over TCP is not recommended, IEEE 1815 clause 13 [S])
 * and asks for the link status as keep-alive. As a secondary it answers reset link, test link, link status and confirmed
 * user data. Confirmed data is taken only after a reset; a frame count bit that did not toggle is a repeat: it is
 * acknowledged again and not delivered. Frames for another address, from the wrong direction, from a reserved source or
 * with an unknown function are dropped in silence and counted.
 */
export interface StackConfig {
  readonly role: 'master' | 'outstation';
  readonly localAddress: number;
  readonly remoteAddress: number;
  /** Silence inside a frame after which it is given up [ms]. */
  readonly interOctetMs: number;
  readonly fragmentOctetsMax: number;
}

export type Incoming =
  | { readonly kind: 'fragment'; readonly octets: Uint8Array; readonly broadcast: Broadcast | null }
  /** The peer answered a link status request. */
  | { readonly kind: 'link-status' };

export class Stack {
  droppedFrames = 0;
  readonly parser: LinkParser;
  readonly reassembler: Reassembler;
  private readonly config: StackConfig;
  private readonly segmenter = new Segmenter();
  private output: Uint8Array[] = [];
  /** Next frame count bit wanted of confirmed data; null before a reset. */
  private expectedFcb: boolean | null = null;

  constructor(config: StackConfig) {
    this.config = config;
    this.parser = new LinkParser(config.interOctetMs);
    this.reassembler = new Reassembler(config.fragmentOctetsMax);
  }

  /** Forgets everything of the connection before. */
  reset(): void {
    this.parser.reset();
    this.reassembler.reset();
    this.segmenter.reset();
    this.output = [];
    this.expectedFcb = null;
  }

  receive(octets: Uint8Array, nowMs: number): Incoming[] {
    return this.handleAll(this.parser.push(octets, nowMs));
  }

  timeout(nowMs: number): Incoming[] {
    return this.handleAll(this.parser.expire(nowMs));
  }

  nextTimeoutMs(): number | null {
    return this.parser.nextTimeoutMs();
  }

  /** All segments of a fragment leave in one buffer, so that one fragment is one write to the socket. */
  sendFragment(fragment: Uint8Array): void {
    const segments = this.segmenter.segments(fragment);
    const writer = new ByteWriter(segments.reduce((octets, s) => octets + frameOctets(s.length), 0));
    for (const userData of segments) {
      writeFrame(writer, this.frame({ primary: true, functionCode: PRIMARY.unconfirmedData, userData }));
    }
    this.output.push(writer.toOctets());
  }

  requestLinkStatus(): void {
    this.output.push(encodeFrame(this.frame({ primary: true, functionCode: PRIMARY.requestStatus })));
  }

  takeOutput(): Uint8Array[] {
    const out = this.output;
    this.output = [];
    return out;
  }

  private frame(part: { primary: boolean; functionCode: number; userData?: Uint8Array }): LinkFrame {
    return {
      fromMaster: this.config.role === 'master',
      primary: part.primary,
      fcb: false,
      fcvOrDfc: false,
      functionCode: part.functionCode,
      destination: this.config.remoteAddress,
      source: this.config.localAddress,
      userData: part.userData ?? new Uint8Array(0),
    };
  }

  private drop(): null {
    this.droppedFrames += 1;
    return null;
  }

  private handleAll(frames: readonly LinkFrame[]): Incoming[] {
    const out: Incoming[] = [];
    for (const frame of frames) {
      const incoming = this.handle(frame);
      if (incoming !== null) out.push(incoming);
    }
    return out;
  }

  private handle(frame: LinkFrame): Incoming | null {
    const broadcast = this.config.role === 'outstation' ? broadcastKind(frame.destination) : null;
    if (frame.destination !== this.config.localAddress && broadcast === null) return this.drop();
    if (frame.fromMaster === (this.config.role === 'master')) return this.drop();
    if (frame.source >= RESERVED_ADDRESS_MIN || frame.source !== this.config.remoteAddress) return this.drop();
    if (!frame.primary) {
      if (frame.functionCode !== SECONDARY.linkStatus || frame.userData.length > 0) return this.drop();
      return { kind: 'link-status' };
    }
    if (broadcast !== null && frame.functionCode !== PRIMARY.unconfirmedData) return this.drop();
    return this.handlePrimary(frame, broadcast);
  }

  private handlePrimary(frame: LinkFrame, broadcast: Broadcast | null): Incoming | null {
    const empty = frame.userData.length === 0;
    switch (frame.functionCode) {
      case PRIMARY.resetLink:
        if (!empty || frame.fcvOrDfc) return this.drop();
        this.expectedFcb = true;
        return this.answer(SECONDARY.ack);
      case PRIMARY.requestStatus:
        return empty && !frame.fcvOrDfc ? this.answer(SECONDARY.linkStatus) : this.drop();
      case PRIMARY.testLink:
        if (!empty || !frame.fcvOrDfc || this.expectedFcb === null) return this.drop();
        if (frame.fcb === this.expectedFcb) this.expectedFcb = !this.expectedFcb;
        return this.answer(SECONDARY.ack);
      case PRIMARY.confirmedData: {
        if (!frame.fcvOrDfc || this.expectedFcb === null || empty) return this.drop();
        this.answer(SECONDARY.ack);
        if (frame.fcb !== this.expectedFcb) return null;
        this.expectedFcb = !this.expectedFcb;
        return this.deliver(frame, null);
      }
      case PRIMARY.unconfirmedData:
        return frame.fcvOrDfc || empty ? this.drop() : this.deliver(frame, broadcast);
      default:
        return this.drop();
    }
  }

  private answer(functionCode: number): null {
    this.output.push(encodeFrame(this.frame({ primary: false, functionCode })));
    return null;
  }

  private deliver(frame: LinkFrame, broadcast: Broadcast | null): Incoming | null {
    const octets = this.reassembler.push(frame.userData, frame.source);
    return octets === null ? null : { kind: 'fragment', octets, broadcast };
  }
}
