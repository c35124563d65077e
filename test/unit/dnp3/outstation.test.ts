import { describe, expect, test } from 'vitest';
import type { OutstationConfig } from '../../../src/dnp3/outstation/config.ts';
import type { PointConfig } from '../../../src/dnp3/outstation/database.ts';
import { Desk } from './desk.ts';
import { hex, octets } from './hex.ts';

const want = (text: string): string => hex(octets(text));
const desk = (points: readonly PointConfig[], over: Partial<OutstationConfig> = {}): Desk =>
  new Desk({ points, ...over });
const at = (value: number, timeMs = 0) => ({ value, flags: 1, timeMs });
const CROB_ON = '03 01 00 00 00 00 00 00 00 00';

describe('octet strings', () => {
  const points: PointConfig[] = [
    { kind: 'OCT', index: 0, eventClass: 1, octets: octets('41 42') },
    { kind: 'OCT', index: 1, eventClass: 1, octets: octets('43 44') },
    { kind: 'OCT', index: 2, eventClass: 0, octets: octets('45 46 47') },
  ];

  test('a static read gives one header for each run of one length; the variation is the length', () => {
    expect(desk(points).ask('C1 01 6E 00 06')).toBe(
      want('C1 81 00 00 6E 02 00 00 01 41 42 43 44 6E 03 00 02 02 45 46 47'),
    );
  });

  test('class 0 holds them too', () => {
    expect(desk(points.slice(2)).ask('C1 01 3C 01 06')).toBe(want('C1 81 00 00 6E 03 00 02 02 45 46 47'));
  });

  test('a changed string is an event of g111, read by class or by g111v0, and gone once confirmed', () => {
    const d = desk(points);
    d.session.update('OCT', 1, { ...at(0), octets: octets('58') }, 0);
    d.session.update('OCT', 0, { ...at(0), octets: octets('41 42') }, 0);
    d.session.update('OCT', 2, { ...at(0), octets: octets('59') }, 0);
    expect(d.ask('C1 01 6F 00 06')).toBe(want('E1 81 00 00 6F 01 28 01 00 01 00 58'));
    d.ask('C1 00');
    expect(d.session.events.size).toBe(0);
  });

  test('an empty string is held as one octet 0, a longer one than 255 octets is cut', () => {
    const d = desk(points);
    d.session.update('OCT', 0, { ...at(0), octets: new Uint8Array(0) }, 0);
    d.session.update('OCT', 1, { ...at(0), octets: new Uint8Array(300).fill(7) }, 0);
    expect(d.session.database.get('OCT', 0)?.current.octets).toEqual(Uint8Array.of(0));
    expect(d.session.database.get('OCT', 1)?.current.octets?.length).toBe(255);
  });
});

describe('assign class (function 22)', () => {
  const points: PointConfig[] = [
    { kind: 'AI', index: 0, eventClass: 2 },
    { kind: 'AI', index: 1, eventClass: 2 },
    { kind: 'BI', index: 0, eventClass: 0 },
  ];

  test('g60v1 takes a point out of all classes, g60v2 puts another into class 1; static reads still give both', () => {
    const d = desk(points);
    expect(d.ask('C1 16 3C 01 06 1E 00 00 00 00 3C 02 06 01 00 06')).toBe(want('C1 81 00 00'));
    d.session.update('AI', 0, at(5), 0);
    d.session.update('AI', 1, at(6), 0);
    d.session.update('BI', 0, at(1), 0);
    expect(d.session.events.size).toBe(2);
    expect(d.ask('C2 01 3C 02 06').slice(0, 14)).toBe(want('E2 81 04 00 02 02 28'));
    expect(d.session.database.all('AI').length).toBe(2);
  });

  test.each([
    ['points before any class', 'C1 16 1E 00 06'],
    ['a class with no points behind it', 'C1 16 3C 02 06'],
    ['two classes in a row', 'C1 16 3C 02 06 3C 03 06 1E 00 06'],
    ['a variation that is not "any"', 'C1 16 3C 02 06 1E 01 06'],
    ['an object that is no point', 'C1 16 3C 02 06 32 01 06'],
  ])('%s is a parameter error and changes nothing', (_, request) => {
    const d = desk(points);
    expect(d.ask(request)).toBe(want('C1 81 00 04'));
    expect(d.session.database.all('AI').map((p) => p.eventClass)).toEqual([2, 2]);
  });

  test('of points of which some are not there the others get their class, and IIN2.2 tells', () => {
    const d = desk(points);
    expect(d.ask('C1 16 3C 04 06 1E 00 00 01 07')).toBe(want('C1 81 00 04'));
    expect(d.session.database.all('AI').map((p) => p.eventClass)).toEqual([2, 3]);
  });

  test('a cold restart brings the configured classes and dead-bands back, a warm one keeps them and the events', () => {
    const d = desk(points);
    d.ask('C1 16 3C 02 06 1E 00 06');
    d.ask('C2 02 22 01 17 01 00 0A 00');
    d.session.update('AI', 1, at(6), 0);
    d.ask('C3 0E');
    expect(d.session.database.get('AI', 0)).toMatchObject({ eventClass: 1, deadband: 10 });
    expect(d.session.events.size).toBe(1);
    d.ask('C4 0D');
    expect(d.session.database.get('AI', 0)).toMatchObject({ eventClass: 2, deadband: 0 });
    expect(d.session.events.size).toBe(0);
  });
});

describe('counters', () => {
  const points: PointConfig[] = [0, 1].flatMap((index) => [
    { kind: 'CTR' as const, index, eventClass: 0 as const, value: 7 + index },
    { kind: 'FCTR' as const, index, eventClass: 2 as const, eventVariation: 1 },
  ]);

  test('freeze copies the running value with its time and makes an event; the counter runs on', () => {
    const d = desk(points);
    d.nowMs = 1000;
    expect(d.ask('C1 07 14 00 06')).toBe(want('C1 81 04 00'));
    expect(d.ask('C2 01 15 01 06')).toBe(want('C2 81 04 00 15 01 00 00 01 01 07 00 00 00 01 08 00 00 00'));
    expect(d.session.database.get('FCTR', 0)?.current.timeMs).toBe(1000);
    expect(d.session.database.get('CTR', 0)?.current.value).toBe(7);
    expect(d.ask('C3 01 17 01 06')).toBe(want('E3 81 00 00 17 01 28 02 00 00 00 01 07 00 00 00 01 00 01 08 00 00 00'));
  });

  test('freeze and clear of one counter by range leaves the other alone', () => {
    const d = desk(points);
    d.ask('C1 09 14 00 00 01 01');
    expect(d.session.database.all('CTR').map((p) => p.current.value)).toEqual([7, 0]);
    expect(d.session.database.all('FCTR').map((p) => p.current.value)).toEqual([0, 8]);
  });

  test('the forms without response freeze and stay silent', () => {
    const d = desk(points);
    expect(d.ask('C1 08 14 00 06')).toBe('');
    expect(d.ask('C2 0A 14 00 06')).toBe('');
    expect(d.session.database.all('FCTR').map((p) => p.current.value)).toEqual([7, 8]);
    expect(d.session.database.all('CTR').map((p) => p.current.value)).toEqual([0, 0]);
  });
});

describe('other kinds of points', () => {
  test('double-bit inputs: packed when plainly online, with flags when not, state in the two highest bits', () => {
    const d = desk([
      { kind: 'DBI', index: 0, eventClass: 1, value: 2, staticVariation: 1 },
      { kind: 'DBI', index: 1, eventClass: 1, value: 1, staticVariation: 1 },
    ]);
    expect(d.ask('C1 01 03 00 06')).toBe(want('C1 81 00 00 03 01 00 00 01 06'));
    d.session.update('DBI', 1, { value: 3, flags: 0, timeMs: 9 }, 0);
    expect(d.ask('C2 01 03 00 00 01 01')).toBe(want('C2 81 02 00 03 02 00 01 01 C0'));
    expect(d.ask('C3 01 04 02 06')).toBe(want('E3 81 00 00 04 02 28 01 00 01 00 C0 09 00 00 00 00 00'));
  });

  test('an output whose state changes makes an event: g11 for binaries, g42 for analogs', () => {
    const d = desk([
      { kind: 'BOS', index: 3, eventClass: 1, eventVariation: 1 },
      { kind: 'AOS', index: 4, eventClass: 2, eventVariation: 2 },
    ]);
    d.session.update('BOS', 3, at(1), 0);
    d.session.update('AOS', 4, at(-2), 0);
    expect(d.ask('C1 01 3C 02 06 3C 03 06')).toBe(
      want('E1 81 00 00 0B 01 28 01 00 03 00 81 2A 02 28 01 00 04 00 01 FE FF'),
    );
  });
});

describe('dead-bands (g34)', () => {
  const points: PointConfig[] = [
    { kind: 'AI', index: 0, eventClass: 2, deadband: 3 },
    { kind: 'AI', index: 1, eventClass: 2, deadband: 70_000 },
  ];

  test('are read in each variation; what does not fit is clipped', () => {
    const d = desk(points);
    expect(d.ask('C1 01 22 01 06')).toBe(want('C1 81 00 00 22 01 00 00 01 03 00 FF FF'));
    expect(d.ask('C2 01 22 02 00 01 01')).toBe(want('C2 81 00 00 22 02 00 01 01 70 11 01 00'));
    expect(d.ask('C3 01 22 00 00 00 00')).toBe(want('C3 81 00 00 22 03 00 00 00 00 00 40 40'));
  });

  test('are written, and hold: a change of 10 makes no event any more, 11 does', () => {
    const d = desk(points);
    expect(d.ask('C1 02 22 01 17 01 00 0A 00')).toBe(want('C1 81 00 00'));
    d.session.update('AI', 0, at(10), 0);
    expect(d.session.events.size).toBe(0);
    d.session.update('AI', 0, at(11), 0);
    expect(d.session.events.size).toBe(1);
  });

  test.each([
    ['a point that is not there', 'C1 02 22 01 17 02 00 0A 00 09 0A 00'],
    ['a float that is NaN', 'C1 02 22 03 17 01 00 00 00 C0 7F'],
    ['a negative float', 'C1 02 22 03 17 01 00 00 00 80 BF'],
    ['a write without points', 'C1 02 22 01 07 01 0A 00'],
  ])('%s is a parameter error and changes nothing', (_, request) => {
    const d = desk(points);
    expect(d.ask(request)).toBe(want('C1 81 00 04'));
    expect(d.session.database.get('AI', 0)?.deadband).toBe(3);
  });

  test('a write of several headers of which one is refused does nothing at all', () => {
    const d = desk(points, { needTime: true });
    expect(d.ask('C1 02 22 01 17 01 00 0A 00 50 01 00 04 04 00')).toBe(want('C1 81 10 04'));
    expect(d.session.database.get('AI', 0)?.deadband).toBe(3);
  });
});

describe('time', () => {
  const clock = (d: Desk) => d.session.takeEvents().filter((e) => e.kind === 'clock-set');

  test('LAN: record current time, then g50v3 with the next sequence number; the time in between is added', () => {
    const d = desk([], { needTime: true });
    expect(d.ask('C1 18')).toBe(want('C1 81 10 00'));
    d.nowMs = 40;
    expect(d.ask('C2 02 32 03 07 01 E8 03 00 00 00 00')).toBe(want('C2 81 00 00'));
    expect(clock(d)).toEqual([{ kind: 'clock-set', timeMs: 1040 }]);
  });

  test('LAN: another request in between, or another sequence number, is a parameter error', () => {
    const d = desk([], { needTime: true });
    d.ask('C1 18');
    expect(d.ask('C3 02 32 03 07 01 E8 03 00 00 00 00')).toBe(want('C3 81 10 04'));
    expect(clock(d)).toEqual([]);
  });

  test('non-LAN: the delay is told as g52v2, and g50v1 sets the clock', () => {
    const d = desk([], { needTime: true });
    expect(d.ask('C1 17')).toBe(want('C1 81 10 00 34 02 07 01 00 00'));
    expect(d.ask('C2 02 32 01 07 01 E8 03 00 00 00 00')).toBe(want('C2 81 00 00'));
    expect(clock(d)).toEqual([{ kind: 'clock-set', timeMs: 1000 }]);
  });

  test('IIN1.4 comes back after needTimeEveryMs, and when the device says that it lost its time', () => {
    const d = desk([], { needTime: true, needTimeEveryMs: 60_000 });
    d.ask('C1 02 32 01 07 01 E8 03 00 00 00 00');
    d.nowMs = 59_999;
    expect(d.ask('C2 17').slice(4, 6)).toBe('00');
    d.nowMs = 60_000;
    expect(d.ask('C3 17').slice(4, 6)).toBe('10');
    d.ask('C4 02 32 01 07 01 E8 03 00 00 00 00');
    d.session.setNeedTime(true);
    expect(d.ask('C5 17').slice(4, 6)).toBe('10');
  });
});

describe('restart', () => {
  test('the time it takes is told in ms, or in whole seconds when 16 bits do not hold the ms', () => {
    expect(desk([], { restartMs: 5000 }).ask('C1 0E')).toBe(want('C1 81 80 00 34 02 07 01 88 13'));
    expect(desk([], { restartMs: 90_001 }).ask('C1 0D')).toBe(want('C1 81 80 00 34 01 07 01 5B 00'));
  });
});

describe('event buffers', () => {
  const points: PointConfig[] = [
    { kind: 'BI', index: 0, eventClass: 1, eventVariation: 1 },
    { kind: 'AI', index: 0, eventClass: 2, eventVariation: 2 },
  ];

  test('a full kind drops its own oldest event and no other; IIN2.3 stays until what holds it is confirmed', () => {
    const d = desk(points, { eventsMax: () => 2 });
    d.session.update('AI', 0, at(1), 0);
    for (const value of [1, 0, 1]) d.session.update('BI', 0, at(value), 0);
    expect(d.ask('C1 01 3C 02 06 3C 03 06')).toBe(
      want('E1 81 00 08 20 02 28 01 00 00 00 01 01 00 02 01 28 02 00 00 00 01 00 00 81'),
    );
    expect(d.session.events.lost).toBe(1);
    d.ask('C1 00');
    expect(d.ask('C2 17').slice(6, 8)).toBe('00');
  });

  test('a loss after a fragment left is not cleared by the confirm of that fragment', () => {
    const d = desk(points, { eventsMax: () => 2 });
    for (const value of [1, 0]) d.session.update('BI', 0, at(value), 0);
    expect(d.ask('C1 01 3C 02 06').slice(0, 8)).toBe('e1810000');
    d.session.update('BI', 0, at(1), 0);
    d.ask('C1 00');
    expect(d.ask('C2 17').slice(6, 8)).toBe('08');
  });

  test('a kind without a buffer has no events, and that is no overflow', () => {
    const d = desk(points, { eventsMax: (kind) => (kind === 'BI' ? 0 : 10) });
    d.session.update('BI', 0, at(1), 0);
    expect(d.ask('C1 01 3C 02 06')).toBe(want('C1 81 00 00'));
  });
});

describe('qualifiers of a read', () => {
  const points: PointConfig[] = [0, 1, 2, 300].map((index) => ({ kind: 'AI', index, eventClass: 2, value: index }));
  test.each([
    ['00', 'C1 01 1E 04 00 01 02', 'C1 81 00 00 1E 04 00 01 02 01 00 02 00'],
    ['01', 'C1 01 1E 04 01 2C 01 2C 01', 'C1 81 00 00 1E 04 01 2C 01 2C 01 2C 01'],
    ['06', 'C1 01 1E 04 06', 'C1 81 00 00 1E 04 01 00 00 02 00 00 00 01 00 02 00 1E 04 01 2C 01 2C 01 2C 01'],
    ['17', 'C1 01 1E 04 17 02 02 00', 'C1 81 00 00 1E 04 00 02 02 02 00 1E 04 00 00 00 00 00'],
    ['28', 'C1 01 1E 04 28 01 00 2C 01', 'C1 81 00 00 1E 04 01 2C 01 2C 01 2C 01'],
  ])('%s', (_, request, answer) => expect(desk(points).ask(request)).toBe(want(answer)));

  test('07 and 08 limit events to the oldest so many', () => {
    const d = desk(points);
    for (const index of [0, 1, 2]) d.session.update('AI', index, at(50 + index), 0);
    expect(d.ask('C1 01 20 02 07 01')).toBe(want('E1 81 04 00 20 02 28 01 00 00 00 01 32 00'));
    d.ask('C1 00');
    expect(d.ask('C2 01 3C 03 08 01 00').slice(0, 4)).toBe('e281');
    d.ask('C2 00');
    expect(d.session.events.size).toBe(1);
  });
});

describe('fragments', () => {
  test('an answer larger than a fragment comes in parts, each but the last asking for a confirm', () => {
    const points: PointConfig[] = Array.from({ length: 100 }, (_, index) => ({ kind: 'AI', index, eventClass: 0 }));
    const d = desk(points, { fragmentOctetsMax: 249 });
    const first = d.ask('C5 01 1E 01 06');
    expect(first.slice(0, 4)).toBe('a581');
    const second = d.ask('C5 00');
    expect(second.slice(0, 4)).toBe('2681');
    const third = d.ask('C6 00');
    expect(third.slice(0, 4)).toBe('4781');
    expect([first, second, third].map((f) => f.length / 2 <= 249)).toEqual([true, true, true]);
    expect(d.ask('C7 00')).toBe('');
  });

  test('without the confirm nothing more comes, and a late one is ignored', () => {
    const points: PointConfig[] = Array.from({ length: 100 }, (_, index) => ({ kind: 'AI', index, eventClass: 0 }));
    const d = desk(points, { fragmentOctetsMax: 249, confirmMs: 5000 });
    d.ask('C5 01 1E 01 06');
    d.nowMs = 5000;
    d.session.timeout(5000);
    expect(d.answers()).toBe('');
    expect(d.ask('C5 00')).toBe('');
  });
});

describe('link layer', () => {
  test('confirmed user data: taken after a reset, acknowledged, a repeat acknowledged and not executed again', () => {
    const operated: number[] = [];
    const d = desk([], {
      onControl: (step, control) => {
        if (step === 'operate') operated.push(control.index);
        return 0;
      },
    });
    const crob = `C1 C1 06 0C 01 28 01 00 05 00 ${CROB_ON} 00`;
    const control = (functionCode: number, fcb: boolean, app: string) =>
      d.link({ functionCode, fcb, fcvOrDfc: functionCode === 3, userData: octets(app) });
    expect(control(3, true, crob)).toEqual([]);
    expect(control(0, false, '')).toEqual([0]);
    expect(control(3, true, crob)).toEqual([0]);
    expect(control(3, true, crob)).toEqual([0]);
    expect(operated).toEqual([5]);
    expect(control(3, false, crob.replace('C1 C1', 'C2 C2'))).toEqual([0]);
    expect(operated).toEqual([5, 5]);
  });
});

describe('broadcasts', () => {
  test('FFFD and FFFF are told once (IIN1.0), FFFE until a confirm; none is answered', () => {
    for (const destination of [0xfffd, 0xffff]) {
      const d = desk([]);
      d.broadcast('C1 18', destination);
      expect(d.answers()).toBe('');
      expect(d.ask('C2 17').slice(0, 6)).toBe('c28101');
      expect(d.ask('C3 17').slice(0, 6)).toBe('c38100');
    }
    const d = desk([]);
    d.broadcast('C1 18', 0xfffe);
    expect(d.ask('C2 17').slice(0, 6)).toBe('e28101');
    expect(d.ask('C3 17').slice(0, 6)).toBe('e38101');
    d.ask('C3 00');
    expect(d.ask('C4 17').slice(0, 6)).toBe('c48100');
  });

  test('a broadcast freeze is executed once however often the frame comes', () => {
    const d = desk([
      { kind: 'CTR', index: 0, eventClass: 0, value: 9 },
      { kind: 'FCTR', index: 0, eventClass: 0 },
    ]);
    d.broadcast('C1 0A 14 00 06', 0xfffd);
    d.broadcast('C1 0A 14 00 06', 0xfffd);
    expect(d.session.database.get('FCTR', 0)?.current.value).toBe(9);
  });
});

describe('local control', () => {
  test('is shown in IIN1.5 and refuses every control with status 7, without asking the application', () => {
    let asked = 0;
    const d = desk([], {
      onControl: () => {
        asked += 1;
        return 0;
      },
    });
    d.session.setLocalControl(true);
    expect(d.ask(`C1 05 0C 01 17 01 05 ${CROB_ON} 00`)).toBe(want(`C1 81 20 00 0C 01 17 01 05 ${CROB_ON} 07`));
    expect(asked).toBe(0);
    d.session.setLocalControl(false);
    expect(d.ask(`C2 05 0C 01 17 01 05 ${CROB_ON} 00`)).toBe(want(`C2 81 00 00 0C 01 17 01 05 ${CROB_ON} 00`));
  });
});

describe('controls', () => {
  test('a setpoint outside the limits of its point is refused with status 12', () => {
    const d = desk([{ kind: 'AOS', index: 1, eventClass: 0, limits: { min: -10, max: 10 } }]);
    expect(d.ask('C1 05 29 02 17 01 01 0B 00 00').slice(-2)).toBe('0c');
    expect(d.ask('C2 05 29 02 17 01 01 0A 00 00').slice(-2)).toBe('00');
  });

  test('a control repeated octet by octet gets its answer again and is executed once, also across a confirm', () => {
    const operated: number[] = [];
    const d = desk([], {
      onControl: (step, control) => {
        if (step === 'operate') operated.push(control.index);
        return 0;
      },
    });
    d.broadcast('C0 18', 0xfffe);
    const request = `C1 05 0C 01 17 01 05 ${CROB_ON} 00`;
    const answer = d.ask(request);
    expect(answer.slice(0, 2)).toBe('e1');
    expect(d.ask(request)).toBe(answer);
    d.ask('C1 00');
    expect(d.ask(request)).toBe(answer);
    expect(operated).toEqual([5]);
  });
});
