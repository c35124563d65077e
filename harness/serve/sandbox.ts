import type { CoreSettings } from '../../src/core/settings.ts';
import { Around, type CloudLink } from '../../src/live/host/around.ts';
import type { TelemetrySink } from '../../src/live/host/telemetry.ts';
import { SteppedClock } from '../../src/live/steppedClock.ts';
import { createOemSession } from '../../src/oem/index.ts';
import type { BatteryOem, OemId, OemReply } from '../../src/ports/oem.ts';
import { createCloudWorld } from '../cloud/cloudWorld.ts';
import { createOpenWorld } from '../cloud/openWorld.ts';
import { randomSource } from '../kernel/random.ts';
import { HttpWire, PERFECT_LINK } from '../wire/http.ts';
import { createOemLink } from '../world/oemLink.ts';

/**
 * What surrounds a sandbox workspace: a clock of its own that can be stepped, the three makers with a few batteries
 * each and the open cloud with other devices in this process, on the direct wire. The seed is the workspace's id: the same sandbox has the same homes. After a
 * restart the plant knows what it knew, and the makers begin anew.
 */
const DEVICES = 10;
/** Quick and faultless, so that a client's test is about the client; the faults are those of `vpp cloud`. */
const BEHAVIOUR = {
  enrollMsMin: 3_600_000,
  enrollMsMax: 3_600_000,
  enrollRejectRatio: 0,
  deliveryFailureRatio: 0,
  commandTailRatio: 0,
};
const OEMS: readonly BatteryOem[] = ['enphase', 'solaredge', 'tesla'];

export function sandboxAround(r: {
  readonly plantId: string;
  readonly lastMs: number | null;
  readonly settings: CoreSettings;
  readonly telemetry: TelemetrySink;
}): Around {
  const { plantId, lastMs, settings, telemetry } = r;
  const machine = new SteppedClock();
  const startMs = Math.max(machine.nowMs(), lastMs ?? 0);
  const clock = new SteppedClock({ startMs });
  const clouds = new Map<OemId, MakeLink>(OEMS.map((oem) => [oem, directCloud(oem, plantId, clock)]));
  clouds.set('open', directOpenCloud(plantId, clock));
  const { capabilities } = settings;
  return new Around({ clock, testClock: true, capabilities, clouds, sites: new Map(), telemetry });
}

const directCloud =
  (oem: BatteryOem, seed: string, clock: SteppedClock) =>
  (onReply: (reply: OemReply) => void): CloudLink => {
    const random = randomSource(seed);
    const world = createCloudWorld({
      oem,
      scheduler: clock,
      random,
      devices: DEVICES,
      programIds: [],
      enrolled: false,
      behaviour: BEHAVIOUR,
    });
    const { cloud, credentials } = world;
    const wire = new HttpWire({ scheduler: clock, random, name: oem, link: PERFECT_LINK, handler: cloud.handle });
    const link = createOemLink({ scheduler: clock, session: createOemSession(oem, credentials), wire, onReply });
    return {
      submit: (job) => {
        if (job.kind === 'enroll') world.addProgram(job.programId);
        link.submit(job);
      },
      inFlight: () => 0,
      health: () => ({ ok: true, why: `${DEVICES} simulated batteries: ${world.deviceIds.join(', ')}` }),
      stop: () => {},
    };
  };

type MakeLink = (onReply: (reply: OemReply) => void) => CloudLink;

const directOpenCloud =
  (seed: string, clock: SteppedClock): MakeLink =>
  (onReply) => {
    const random = randomSource(seed);
    const { deliveryFailureRatio, commandTailRatio } = BEHAVIOUR;
    const behaviour = { deliveryFailureRatio, commandTailRatio };
    const world = createOpenWorld({ scheduler: clock, random, devices: DEVICES, behaviour });
    const { cloud, credentials } = world;
    const wire = new HttpWire({ scheduler: clock, random, name: 'open', link: PERFECT_LINK, handler: cloud.handle });
    const link = createOemLink({ scheduler: clock, session: createOemSession('open', credentials), wire, onReply });
    const what = world.deviceIds.map((id, i) => `${world.fleet.kind(i)} ${id}`).join(', ');
    return {
      submit: (job) => link.submit(job),
      inFlight: () => 0,
      health: () => ({ ok: true, why: `simulated devices: ${what}` }),
      stop: () => {},
    };
  };
