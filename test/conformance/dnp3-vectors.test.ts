import { describe, expect, test } from 'vitest';
import { crcDnp } from '../../src/dnp3/link/crc.ts';
import { encodeFrame } from '../../src/dnp3/link/frame.ts';
import { LinkParser } from '../../src/dnp3/link/parser.ts';
import type { OutstationConfig } from '../../src/dnp3/outstation/config.ts';
import { Desk } from '../unit/dnp3/desk.ts';
import { hex, octets } from '../unit/dnp3/hex.ts';

/**
 * Octets published with opendnp3's own tests: link frames of TestLinkFrame.cpp (@c1dc716) and application fragments of
 * TestOutstation*.cpp.
 */
const LINK_FRAMES = [
  ['reset link', '05 64 05 C0 01 00 00 04 E9 21'],
  ['request link status', '05 64 05 49 01 00 00 04 D2 36'],
  ['acknowledge', '05 64 05 00 00 04 01 00 19 A6'],
  ['acknowledge from a master', '05 64 05 80 01 00 00 04 53 11'],
  ['integrity poll', '05 64 14 F3 01 00 00 04 0A 3B C0 C3 01 3C 02 06 3C 03 06 3C 04 06 3C 01 06 9A 12'],
] as const;

describe('link frames', () => {
  for (const [name, text] of LINK_FRAMES) {
    test(`${name}: parses, and encodes to the same octets`, () => {
      const frame = new LinkParser(1000).push(octets(text), 0)[0];
      expect(frame === undefined ? 'no frame' : hex(encodeFrame(frame))).toBe(hex(octets(text)));
    });
  }

  test('CRC of the header 05 64 05 C0 01 00 00 04 is 21E9', () => {
    expect(crcDnp(octets('05 64 05 C0 01 00 00 04'))).toBe(0x21e9);
  });
});

const want = (text: string): string => hex(octets(text));
const AO: OutstationConfig['points'] = [{ kind: 'AOS', index: 1, eventClass: 0 }];

describe('application fragments', () => {
  // One to five answers each; clearing the restart bit took sequence 0, so a vector with sequence 0 is another request.
  const VECTORS: readonly (readonly [string, Partial<OutstationConfig>, string, string])[] = [
    ['an unknown function: IIN2.0', {}, 'C0 10', 'C0 81 00 01'],
    ['an unknown object: IIN2.1', {}, 'C0 01 00 00 06', 'C0 81 00 02'],
    ['class 0 of an empty database', {}, 'C0 01 3C 01 06', 'C0 81 00 00'],
    [
      'select of a float setpoint is repeated',
      { points: AO },
      'C0 03 29 03 17 01 01 00 00 C8 42 00',
      'C0 81 00 00 29 03 17 01 01 00 00 C8 42 00',
    ],
    ['a write that may not be: IIN2.2', {}, 'C0 02 50 01 00 04 04 00', 'C0 81 00 04'],
    [
      'cold restart tells how long, and the restart bit is back',
      { restartMs: 1 },
      'C1 0D',
      'C1 81 80 00 34 02 07 01 01 00',
    ],
  ];
  for (const [name, config, asked, answer] of VECTORS) {
    test(name, () => expect(new Desk(config).ask(asked)).toBe(want(answer)));
  }

  test('the restart bit stands in every answer until it is cleared: C0 81 80 01', () => {
    const desk = new Desk();
    desk.ask('C0 0D');
    expect(desk.ask('C0 10')).toBe(want('C0 81 80 01'));
  });

  test('operate after the select timed out: status 1', () => {
    const desk = new Desk({ selectMs: 1000 });
    desk.ask('C0 03 29 03 17 01 01 00 00 C8 42 00');
    desk.nowMs = 1001;
    expect(desk.ask('C1 04 29 03 17 01 01 00 00 C8 42 00')).toBe(want('C1 81 00 00 29 03 17 01 01 00 00 C8 42 01'));
  });

  test('an unsolicited binary event: F1 82 … 02 01 28 01 00 00 00 81', () => {
    const desk = new Desk({
      unsolicited: true,
      holdMs: 0,
      points: [{ kind: 'BI', index: 0, eventClass: 1, eventVariation: 1 }],
    });
    expect(desk.answers()).toBe('');
    desk.ask('D0 00');
    desk.ask('C1 14 3C 02 06');
    desk.session.update('BI', 0, { value: 1, flags: 1, timeMs: 0 }, 0);
    desk.session.timeout(0);
    expect(desk.answers()).toBe(want('F1 82 00 00 02 01 28 01 00 00 00 81'));
  });

  test('a confirm of an answer says nothing of events that wait for the confirm of an unsolicited response', () => {
    const desk = new Desk({
      unsolicited: true,
      holdMs: 0,
      points: [{ kind: 'BI', index: 0, eventClass: 1, eventVariation: 1 }],
    });
    desk.ask('D0 00');
    desk.ask('C1 14 3C 02 06');
    desk.session.update('BI', 0, { value: 1, flags: 1, timeMs: 0 }, 0);
    desk.session.timeout(0);
    expect(desk.answers()).toContain('f182');
    desk.broadcast('C0 18', 0xfffe);
    // The broadcast asks for a confirm, so the next answer does: E2.
    expect(desk.ask('C2 17').slice(0, 6)).toBe('e28101');
    desk.ask('C2 00');
    expect(desk.session.events.size).toBe(1);
    desk.broadcast('C0 18', 0xfffe);
    desk.ask('C3 17');
    desk.ask('C4 17');
    desk.ask('D1 00');
    expect(desk.session.events.size).toBe(0);
  });

  test('a full event buffer: IIN2.3', () => {
    const desk = new Desk({ eventsMax: () => 2, points: [{ kind: 'BI', index: 0, eventClass: 1, eventVariation: 1 }] });
    for (const value of [1, 0, 1]) desk.session.update('BI', 0, { value, flags: 1, timeMs: 0 }, 0);
    expect(desk.ask('C1 01 1E 00 06')).toBe(want('C1 81 02 08'));
  });
});
