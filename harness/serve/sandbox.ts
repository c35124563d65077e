import type { CoreSettings } from '../../src/core/settings.ts';
import type { CoreState } from '../../src/core/state.ts';
import { Around, type CloudLink, type MakeCloudLink } from '../../src/live/host/around.ts';
import type { TelemetrySink } from '../../src/live/host/telemetry.ts';
import { SteppedClock } from '../../src/live/steppedClock.ts';
import { createOemSession } from '../../src/oem/index.ts';
import type { BatteryOem, OemId } from '../../src/ports/oem.ts';
import { createCloudWorld } from '../cloud/cloudWorld.ts';
import { vendorIdAt } from '../cloud/homes.ts';
import { createOpenWorld, kindAt } from '../cloud/openWorld.ts';
import { randomSource } from '../kernel/random.ts';
import { HttpWire, PERFECT_LINK } from '../wire/http.ts';
import { createOemLink } from '../world/oemLink.ts';

/**
 * What surrounds a sandbox workspace: a clock of its own that can be stepped, the three makers with a few batteries
 * each and the open cloud with other devices in this process, on the direct wire. The seed is the workspace's id: the
 * same sandbox has the same homes. A maker is made when something is first asked of it, which takes 0.1 to 0.4 s of the
 * processor and 3 to 10 MB; a sandbox without devices has none. After a restart the plant knows what it knew, a frozen
 * clock stands where it stood, and the makers begin anew, with the enrollments that the plant has: charge, settings and
 * commands of before are forgotten.
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
const IDS = Array.from({ length: DEVICES }, (_, i) => vendorIdAt(i));

export function sandboxAround(r: {
  readonly plantId: string;
  readonly lastMs: number | null;
  readonly isFrozen: boolean;
  readonly settings: CoreSettings;
  readonly telemetry: TelemetrySink;
}): Around {
  const { plantId, lastMs, isFrozen, settings, telemetry } = r;
  const startMs = Math.max(isFrozen ? 0 : new SteppedClock().nowMs(), lastMs ?? 0);
  const clock = new SteppedClock({ startMs, frozen: isFrozen });
  const clouds = new Map<OemId, MakeCloudLink>(OEMS.map((oem) => [oem, directCloud(oem, plantId, clock)]));
  clouds.set('open', directOpenCloud(plantId, clock));
  const { capabilities } = settings;
  return new Around({ clock, testClock: true, capabilities, clouds, sites: new Map(), telemetry });
}

type Submit = CloudLink['submit'];

/** A link whose other end is made with the first job. */
function linkOnDemand(what: string, make: () => Submit): CloudLink {
  let submit: Submit | null = null;
  return {
    submit: (job) => {
      submit ??= make();
      submit(job);
    },
    inFlight: () => 0,
    health: () => ({ ok: true, why: what }),
    stop: () => {},
  };
}

function directCloud(oem: BatteryOem, seed: string, clock: SteppedClock): MakeCloudLink {
  return (onReply, state) =>
    linkOnDemand(`${DEVICES} simulated batteries: ${IDS.join(', ')}`, () => {
      const random = randomSource(seed);
      const world = createCloudWorld({
        oem,
        scheduler: clock,
        random,
        devices: DEVICES,
        programIds: [],
        enrolled: false,
        members: membersOf(oem, state()),
        behaviour: BEHAVIOUR,
      });
      const { cloud, credentials } = world;
      const wire = new HttpWire({ scheduler: clock, random, name: oem, link: PERFECT_LINK, handler: cloud.handle });
      const link = createOemLink({ scheduler: clock, session: createOemSession(oem, credentials), wire, onReply });
      return (job) => {
        if (job.kind === 'enroll') world.addProgram(job.programId);
        link.submit(job);
      };
    });
}

/** Which of a maker's devices are in a program, and in which. An application that is under way is made anew. */
function membersOf(oem: BatteryOem, { enrollments, devices }: CoreState): ReadonlyMap<string, string> {
  const members = new Map<string, string>();
  for (const { deviceId, programId, status } of enrollments.values()) {
    const source = devices.get(deviceId)?.device.source;
    if (source?.kind !== 'oem' || source.oem !== oem || status !== 'approved') continue;
    members.set(source.vendorDeviceId, programId);
  }
  return members;
}

function directOpenCloud(seed: string, clock: SteppedClock): MakeCloudLink {
  const what = IDS.map((id, i) => `${kindAt(i)} ${id}`).join(', ');
  return (onReply) =>
    linkOnDemand(`simulated devices: ${what}`, () => {
      const random = randomSource(seed);
      const { deliveryFailureRatio, commandTailRatio } = BEHAVIOUR;
      const behaviour = { deliveryFailureRatio, commandTailRatio };
      const world = createOpenWorld({ scheduler: clock, random, devices: DEVICES, behaviour });
      const { cloud, credentials } = world;
      const wire = new HttpWire({ scheduler: clock, random, name: 'open', link: PERFECT_LINK, handler: cloud.handle });
      const link = createOemLink({ scheduler: clock, session: createOemSession('open', credentials), wire, onReply });
      return (job) => link.submit(job);
    });
}
