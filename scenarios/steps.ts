import { z } from 'zod';
import { APPLIANCE_COMMANDS } from '../src/domain/appliance.ts';
import * as s from './scalars.ts';

/** What happens in a run: the timeline (what people, the market's operator and the weather service do) and faults. */
/** Clouds that a fault may strike. */
const CLOUDS = ['enphase', 'solaredge', 'tesla', 'open'] as const;

export const oem = () => s.oneOf(['enphase', 'solaredge', 'tesla']);

const commandInput = z
  .strictObject({
    operatingMode: s.oneOf(['charge', 'discharge', 'idle', 'reset']),
    enableGridInteraction: s.flag('whether the battery may exchange energy with the grid').default(false),
    powerKw: z.exactOptional(s.kw()).describe('AC power wanted; absent: as much as the device gives'),
    minimumBatteryReserve: z.exactOptional(s.pct()).describe("absent: the device's own backup reserve"),
    maximumBatteryReserve: z.exactOptional(s.pct()).describe('absent: 100'),
    executionPriority: z
      .exactOptional(z.array(s.oneOf(['grid_services', 'baseline'])).max(2))
      .describe('paths to try in order; [] avoids the Grid Service'),
  })
  .describe('TextureHQ/docs platform-concepts/commands, battery operating mode');

const dispatch = z
  .strictObject({
    kind: z.literal('dispatch'),
    at: s.at(),
    eventId: s.id('name of the event'),
    programId: s.outsideId('a program of this scenario', 'dsgs-3'),
    targetKw: s.positiveKw().describe('power to deliver over the baseline'),
    duration: s.duration(),
    test: s.flag('a test event').default(false),
  })
  .describe('The operator calls an event of a program.');

const alert = z
  .strictObject({
    kind: z.literal('alert'),
    at: s.at().describe('when the weather service sends it'),
    alertId: s.id('name of the alert'),
    event: s.text('the kind of weather as the NWS names it, like "Severe Thunderstorm Warning"', 100),
    severity: s.oneOf(['Extreme', 'Severe', 'Moderate', 'Minor', 'Unknown']),
    urgency: s.oneOf(['Immediate', 'Expected', 'Future', 'Past', 'Unknown']).default('Immediate'),
    certainty: s.oneOf(['Observed', 'Likely', 'Possible', 'Unlikely', 'Unknown']).default('Likely'),
    zones: z.array(s.zoneCode()).min(1, { error: 'at least one zone' }).max(200),
    onset: z.exactOptional(s.at()).describe('when the hazard begins; absent: when it is sent'),
    until: s.at().describe('when the hazard is over'),
    status: s.oneOf(['Actual', 'Exercise', 'System', 'Test', 'Draft']).default('Actual'),
    messageType: s.oneOf(['Alert', 'Update', 'Cancel']).default('Alert'),
    replaces: z.array(s.id('an earlier alert of this timeline')).max(20).default([]),
  })
  .describe('A weather alert is published. Only status Actual may act on a device (CAP 1.2, 3.2.1).');

const cancelEvent = z
  .strictObject({ kind: z.literal('cancelEvent'), at: s.at(), eventId: s.id('a dispatch of this timeline') })
  .describe('The operator cancels an event.');

const answer = z
  .strictObject({
    kind: z.literal('answer'),
    at: s.at(),
    answer: s.oneOf(['opt-in', 'opt-out']),
    group: z.exactOptional(s.id('a group of homes')),
    count: z.exactOptional(s.whole('how many homes of the group', { min: 1, max: 200_000, example: 5 })),
    deviceId: z.exactOptional(s.id('one device')),
    eventId: z.exactOptional(s.id('a dispatch of this timeline')).describe('absent: every event offered or under way'),
  })
  .describe('Owners answer an offered event: one device, or the first `count` homes of a group.');

const command = z
  .strictObject({
    kind: z.literal('command'),
    at: s.at(),
    tag: z.exactOptional(s.id('a tag: every device that carries it')),
    deviceId: z.exactOptional(s.id('one device')),
    input: commandInput,
    duration: s.duration(),
  })
  .describe('An operator commands one device, or all devices with a tag.');

const SLUGS = Object.values(APPLIANCE_COMMANDS).map((c) => c.slug);
const words = SLUGS.map((slug) => {
  const fields = APPLIANCE_COMMANDS[slug].fields.map((f) => {
    const values =
      f.kind === 'choice' ? f.values.join(' | ') : `${f.min} to ${f.max} ${f.unit}${f.nullable ? ' or null' : ''}`;
    return `${f.name}${f.required ? '' : '?'}: ${values}`;
  });
  return `${slug} {${fields.join(', ')}}`;
});

const set = z
  .strictObject({
    kind: z.literal('set'),
    at: s.at(),
    tag: z.exactOptional(s.id('a tag: every device of the kind that carries it')),
    deviceId: z.exactOptional(s.id('one device')),
    slug: s.oneOf(SLUGS as [(typeof SLUGS)[number], ...typeof SLUGS]),
    input: z
      .record(
        z.string(),
        z.union([z.string(), z.number(), z.null()], { error: 'a text or a number, as the slug has it' }),
      )
      .describe(words.join('; ')),
    duration: z
      .exactOptional(s.duration())
      .describe(
        'after it what stood before is set back, which a sample of the device must show: not in the first minutes of a run; absent: the setting stands',
      ),
  })
  .describe('An operator sets one charger, vehicle, thermostat or inverter, or all with a tag.');

const setReserve = z
  .strictObject({
    kind: z.literal('setReserve'),
    at: s.at(),
    group: z.exactOptional(s.id('a group of homes')),
    deviceId: z.exactOptional(s.id('one device')),
    reservePct: s.pct(),
  })
  .describe('Owners change what they keep for outages.');

const emergencyStop = z
  .strictObject({ kind: z.literal('emergencyStop'), at: s.at(), siteId: s.id('a BESS site') })
  .describe('An operator stops a utility-scale site at once.');

export const timelineStep = z.discriminatedUnion(
  'kind',
  [dispatch, alert, cancelEvent, answer, command, set, setReserve, emergencyStop],
  { error: 'an object with a kind' },
);

const span = {
  from: s.at().default('+0min').describe('default: the start of the run'),
  until: z.exactOptional(s.at()).describe('absent: the end of the run'),
};
const cloud = { ...span, oem: s.oneOf(CLOUDS).describe('open: of chargers, vehicles, thermostats, inverters') };
const link = { ...span, siteId: s.id('a BESS site') };

export const fault = z.discriminatedUnion(
  'kind',
  [
    z
      .strictObject({ kind: z.literal('oem-throttled'), ...cloud, factor: s.share() })
      .describe('The cloud serves only this share of its usual requests; the rest get 429.'),
    z.strictObject({ kind: z.literal('oem-down'), ...cloud }).describe('The cloud does not answer at all.'),
    z
      .strictObject({
        kind: z.literal('oem-lossy'),
        ...cloud,
        requestLossRatio: s.share().default(0),
        replyLossRatio: s.share().default(0).describe('the effect happens and the answer is lost'),
        delay: s.duration().default('0ms').describe('added to each exchange'),
      })
      .describe('Messages to and from the cloud get lost or late.'),
    z
      .strictObject({ kind: z.literal('oem-swallow'), ...cloud, share: s.share().default(1) })
      .describe('The cloud accepts this share of the commands and never executes them.'),
    z
      .strictObject({ kind: z.literal('device-offline'), ...span, group: s.id('a group of homes'), share: s.share() })
      .describe('This share of the homes of the group loses its connection to the clouds, with all its devices.'),
    z
      .strictObject({ kind: z.literal('link-cut'), ...link })
      .describe('Nothing passes between the master and the site.'),
    z
      .strictObject({
        kind: z.literal('link-degraded'),
        ...link,
        delay: s.duration().default('0ms'),
        chopBytesMax: s
          .whole('longest piece that arrives at once', { min: 1, max: 65_536, example: 3 })
          .default(65_536),
      })
      .describe('Octets between the master and the site arrive late and in pieces.'),
    z
      .strictObject({ kind: z.literal('master-silent'), ...link })
      .describe('The master of the site says and hears nothing, while its connection to the site stays up.'),
    z
      .strictObject({ kind: z.literal('rule-off'), ...span, rule: s.oneOf(['storm-guard-precedence']) })
      .describe('A planted fault: a rule of the devices is switched off. A run with it must fail.'),
  ],
  { error: 'an object with a kind' },
);

export type TimelineStep = z.infer<typeof timelineStep>;
export type ScenarioFault = z.infer<typeof fault>;
