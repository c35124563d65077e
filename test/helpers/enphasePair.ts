import type { Behaviour } from '../../simulators/oem/behaviour.ts';
import type { CloudDevice, CloudNote } from '../../simulators/oem/cloud.ts';
import { createEnphaseCloud, type EnphaseCloud } from '../../simulators/oem/enphase.ts';
import { enphaseDialect } from '../../src/oem/enphase.ts';
import { createSession } from '../../src/oem/session.ts';
import { CREDENTIALS, devices, OemPair, START_MS, TestClock, TestFleet, testRandom } from './oemPair.ts';

/** An Enphase cloud that never fails to deliver, unless the behaviour says otherwise, and its session. */
export interface EnphasePair extends OemPair {
  readonly cloud: EnphaseCloud;
}

/** What happened inside the cloud of the last pair made. */
export const notes: CloudNote[] = [];

export function enphasePair(
  behaviour: Partial<Behaviour> = {},
  change: Partial<CloudDevice> = {},
  count = 2,
): EnphasePair {
  notes.length = 0;
  const clock = new TestClock(START_MS);
  const fleet = new TestFleet(clock);
  const cloud = createEnphaseCloud({
    scheduler: clock,
    random: testRandom(1),
    fleet,
    devices: devices(count, change),
    behaviour: { deliveryFailureRatio: 0, ...behaviour },
    credentials: CREDENTIALS,
    programs: [{ programId: 'prog-1' }],
    onNote: (n) => notes.push(n),
  });
  const session = createSession(enphaseDialect({ ...CREDENTIALS, programId: 'prog-1' }));
  const p = new OemPair({ clock, fleet, cloud, session });
  p.run(1);
  return p as EnphasePair;
}
