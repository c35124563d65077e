import { isoUtc, localDateTime } from '../src/domain/time.ts';
import { MJ_PER_WH } from '../src/domain/units.ts';
import type { LogRecord, PointsOfSite } from '../src/ports/records.ts';
import type { ApplianceMeasure, ApplianceMeasures } from './applianceTypes.ts';
import type { RunMeasures } from './measureTypes.ts';
import { pointName, pointValue } from './siteFeed.ts';
import { flagWords } from './words.ts';

/**
 * Tables for spreadsheets: RFC 4180, CRLF, UTF-8, a header whose names carry their units, "." as decimal point, empty =
 * not known. The energy columns are the whole Wh of summary.json.
 */
export type CsvValue = string | number | null;

/**
 * One cell. Text that a spreadsheet would take for a formula (it begins with = + - @, tab or return) gets a leading
 * apostrophe, so that a device's name cannot run anything; numbers stay numbers.
 * @source OWASP "CSV Injection"
 */
export function csvCell(value: CsvValue): string {
  if (value === null) return '';
  if (typeof value === 'number') return String(value);
  const safe = /^[=+\-@\t\r\n]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(safe) || safe !== value ? `"${safe.replaceAll('"', '""')}"` : safe;
}

export const csvLine = (values: readonly CsvValue[]): string => `${values.map(csvCell).join(',')}\r\n`;

const table = (header: readonly string[], rows: readonly (readonly CsvValue[])[]): string =>
  [header, ...rows].map(csvLine).join('');

/** Files by name, each small: rows grow with events, devices and commands. */
export function csvFiles(m: RunMeasures): Readonly<Record<string, string>> {
  return {
    'intervals.csv': intervals(m),
    'devices.csv': devices(m),
    'shortfall.csv': shortfall(m),
    'commands.csv': commands(m),
    ...(m.appliances === null ? {} : applianceFiles(m.appliances)),
  };
}

function applianceFiles({ devices: list, settings }: ApplianceMeasures): Record<string, string> {
  const iso = (ms: number | null) => (ms === null ? null : isoUtc(ms));
  const cars = ['socStartPct', 'socEndPct', 'departures', 'departurePctMin'] as const;
  const energy = ['capacityWh', 'lossWh', 'drivenWh', 'shortWh'] as const;
  const rooms = ['lowF', 'highF', 'endF', 'coolingMs', 'heatingMs'] as const;
  const of = ({ ev, room }: ApplianceMeasure) => [
    ...[...energy, ...cars].map((k) => ev?.[k] ?? null),
    ...rooms.map((k) => room?.[k] ?? null),
  ];
  return {
    'appliances.csv': table(
      [
        'deviceId',
        'siteId',
        'group',
        'kind',
        'usedWh',
        ...energy,
        ...cars,
        'roomLowF',
        'roomHighF',
        'roomEndF',
        ...rooms.slice(3),
      ],
      list.map((d) => [d.deviceId, d.siteId, d.group, d.kind, d.usedWh, ...of(d)]),
    ),
    'settings.csv': table(
      [
        ...[
          'commandId',
          'deviceId',
          'by',
          'slug',
          'asked',
          'setsBack',
          'startUtc',
          'endUtc',
          'acceptedUtc',
          'endedUtc',
        ],
        ...['status', 'reason', 'detail'],
      ],
      settings.map((s) => [
        ...[s.commandId, s.deviceId, s.by, s.slug, s.asked, s.setsBack ? 'yes' : 'no'],
        ...[iso(s.startMs), iso(s.endMs), iso(s.acceptedMs), iso(s.endedMs), s.status, s.reason, s.detail],
      ]),
    ),
  };
}

function intervals(m: RunMeasures): string {
  const local = localTimes(m);
  const rows = m.events.flatMap((e) =>
    e.intervals.map((i) => [
      e.programId,
      e.eventId,
      isoUtc(i.startMs),
      local(i.startMs),
      (i.endMs - i.startMs) / 60_000,
      ...[i.targetWh, i.plannedWh, i.baselineWh, i.meteredWh, i.deliveredWh, i.stormWh],
      i.priceUsdPerMwh,
    ]),
  );
  const energy = ['targetWh', 'plannedWh', 'baselineWh', 'meteredWh', 'deliveredWh', 'stormWh'];
  return table(['programId', 'eventId', 'startUtc', 'startLocal', 'minutes', ...energy, 'priceUsdPerMwh'], rows);
}

function devices(m: RunMeasures): string {
  const rows = m.events.flatMap((e) =>
    e.devices.map((d) => [
      ...[e.programId, e.eventId, d.deviceId, d.siteId, d.group, d.oem],
      ...[d.plannedWh, d.baselineWh, d.meteredWh, d.deliveredWh, d.stormWh, d.ratio],
      ...[d.stormMs, d.rechargeWh, d.snapbackWh, d.derivedWh],
      d.missing.map((x) => `${x.reason} ${x.wh}`).join('; '),
      d.excluded.map((x) => `${x.reason} ${x.durationMs / 60_000} min`).join('; '),
    ]),
  );
  const names = ['programId', 'eventId', 'deviceId', 'siteId', 'group', 'oem'];
  const energy = ['plannedWh', 'baselineWh', 'meteredWh', 'deliveredWh', 'stormWh', 'ratio'];
  const rest = [
    'stormMs',
    'rechargeWh',
    'snapbackWh',
    'tenInTenDeliveredWh',
    'missingWhByReason',
    'leftOutMinutesByReason',
  ];
  return table([...names, ...energy, ...rest], rows);
}

function shortfall(m: RunMeasures): string {
  const rows = m.events.flatMap((e) =>
    e.shortfall.map((l) => [e.programId, e.eventId, l.stage, l.reason, l.wh, l.devices]),
  );
  return table(['programId', 'eventId', 'stage', 'reason', 'wh', 'devices'], rows);
}

function commands(m: RunMeasures): string {
  const iso = (ms: number | null) => (ms === null ? null : isoUtc(ms));
  const rows = m.commands.map((k) => [
    ...[k.commandId, k.deviceId, k.by, k.eventId, k.mode, k.powerW, iso(k.startMs), iso(k.endMs), k.route, k.attempts],
    ...[iso(k.acceptedMs), iso(k.sentMs), iso(k.acknowledgedMs), iso(k.endedMs), k.status, k.reason, k.detail],
  ]);
  const ask = ['commandId', 'deviceId', 'by', 'eventId', 'mode', 'powerW', 'startUtc', 'endUtc', 'route', 'attempts'];
  const life = ['acceptedUtc', 'sentUtc', 'acknowledgedUtc', 'endedUtc', 'status', 'reason', 'detail'];
  return table([...ask, ...life], rows);
}

/**
 * Every meter interval of every site as the log has it, exact mJ as decimal Wh; line by line, as it can be long.
 */
export function* meterCsv(records: Iterable<LogRecord>): Generator<string> {
  yield csvLine([
    'world',
    'siteId',
    'startUtc',
    'minutes',
    'importWh',
    'exportWh',
    'chargeWh',
    'dischargeWh',
    'loadWh',
    'pvWh',
    'storedEndWh',
    'stormMs',
  ]);
  const wh = (mj: number) => mj / MJ_PER_WH;
  for (const r of records) {
    if (r.kind !== 'meter' && r.kind !== 'counterfactual') continue;
    const head = [isoUtc(r.startMs), (r.endMs - r.startMs) / 60_000];
    const energy = [r.importMj, r.exportMj, r.chargeMj, r.dischargeMj].map(wh);
    if (r.kind === 'counterfactual')
      yield csvLine(['without events', r.siteId, ...head, ...energy, null, null, null, null]);
    else
      yield csvLine(['as run', r.siteId, ...head, ...energy, wh(r.loadMj), wh(r.pvMj), wh(r.storedEndMj), r.stormMs]);
  }
}

/** Every interval of every car and thermostat as the log has it, exact mJ as decimal Wh. */
export function* applianceMeterCsv(records: Iterable<LogRecord>): Generator<string> {
  yield csvLine([
    ...['deviceId', 'siteId', 'startUtc', 'minutes', 'usedWh', 'lossWh', 'drivenWh', 'storedEndWh'],
    ...['roomEndF', 'roomLowF', 'roomHighF'],
  ]);
  const wh = (mj: number) => mj / MJ_PER_WH;
  for (const r of records) {
    if (r.kind !== 'appliance-meter') continue;
    const head = [r.deviceId, r.siteId, isoUtc(r.startMs), (r.endMs - r.startMs) / 60_000];
    if (r.what === 'ev') {
      yield csvLine([...head, ...[r.chargeMj, r.lossMj, r.drivenMj, r.storedEndMj].map(wh), null, null, null]);
    } else {
      yield csvLine([...head, wh(r.hvacMj + r.fanMj), null, null, null, r.roomF, r.roomLowF, r.roomHighF]);
    }
  }
}

/** Every raw point of every DNP3 site as the log has it, in order of time: changes only, an irregular feed. */
export function* pointsCsv(records: Iterable<LogRecord>): Generator<string> {
  yield csvLine([
    'siteId',
    'readUtc',
    'point',
    'meaning',
    'raw',
    'value',
    'unit',
    'flags',
    'atUtc',
    'timeQuality',
    'source',
  ]);
  const maps = new Map<string, PointsOfSite['points'][number]>();
  for (const r of records) {
    if (r.kind === 'points-map') for (const p of r.points) maps.set(`${r.siteId}/${pointName(p.type, p.index)}`, p);
    if (r.kind !== 'points') continue;
    for (const p of r.points) {
      const name = pointName(p.type, p.index);
      const known = maps.get(`${r.siteId}/${name}`);
      const value = known === undefined ? null : pointValue(known, p.value);
      const [meaning, unit] = [known?.meaning ?? null, known?.unit ?? null];
      const quality = [flagWords(p.type, p.flags), isoUtc(p.atMs), p.quality, p.source];
      yield csvLine([r.siteId, isoUtc(r.atMs), name, meaning, p.value, value, unit, ...quality]);
    }
  }
}

/** Local labels, each made once: a time zone look-up is slow. */
export function localTimes(m: Pick<RunMeasures, 'run'>): (atMs: number) => string {
  const cache = new Map<number, string>();
  return (atMs) => {
    const known = cache.get(atMs);
    if (known !== undefined) return known;
    const text = localDateTime(atMs, m.run.timeZone);
    if (cache.size < 100_000) cache.set(atMs, text);
    return text;
  };
}
