/**
 * CAP alerts (OASIS Common Alerting Protocol 1.0, 1.1, 1.2): one <alert> document, or an ATOM feed whose entries carry
 * whole alerts in <content>. An ATOM entry that only indexes an alert (cap:… elements and a link) is no alert: it is
 * left out with a note, for it has neither scope nor event.
 *
 * Required by CAP 1.2 §3.2: identifier, sender, sent, status, msgType, scope; an <info> is optional there but without
 * one there is no event to act on. Of several <info> blocks those of one language are read: English if there is one,
 * else that of the first. References are "sender,identifier,sent" separated by blanks. Areas are read from geocodes
 * UGC, SAME and FIPS6 (the same six digits as SAME, blank-separated in old NWS feeds); polygons are not.
 *
 * The parser expands no entity and guesses no type; a document with a DTD is refused before it is parsed.
 */
import { XMLParser, XMLValidator } from 'fast-xml-parser';
import { inputError, show } from '../../src/domain/errors.ts';
import type { DataNote } from '../../src/ports/series.ts';
import { type AlertDraft, isSame, isUgc } from './alertDraft.ts';

const NAMESPACE = /urn:oasis:names:tc:emergency:cap:(\d\.\d)|http:\/\/www\.incident\.com\/cap\/(\d\.\d)/;
const VERSIONS = ['1.0', '1.1', '1.2'];
const LISTS = new Set(['alert', 'entry', 'info', 'area', 'geocode', 'references']);

type Node = Readonly<Record<string, unknown>>;
const isNode = (value: unknown): value is Node => typeof value === 'object' && value !== null && !Array.isArray(value);
const nodes = (value: unknown): Node[] => (Array.isArray(value) ? value : [value]).filter(isNode);

const parser = new XMLParser({
  ignoreAttributes: true,
  removeNSPrefix: true,
  processEntities: false,
  parseTagValue: false,
  trimValues: true,
  isArray: (name) => LISTS.has(name),
});

/** @throws InputError: not well-formed, a DTD or entity declaration, no CAP namespace, neither <alert> nor <feed> */
export function capDrafts({ text, source }: { text: string; source: string }): {
  drafts: AlertDraft[];
  notes: DataNote[];
} {
  const root = parsed(text, source);
  if (isNode(root) && 'alert' in root) return fromAlerts(nodes(root.alert).map((alert, i) => ({ alert, row: i + 1 })));
  const feed = isNode(root) ? root.feed : undefined;
  if (feed === undefined) {
    const value = show(isNode(root) ? Object.keys(root).join(', ') : root);
    throw inputError({ source, place: 'root element', value, expected: '<alert> or <feed>' });
  }
  const notes: DataNote[] = [];
  const found: { alert: Node; row: number }[] = [];
  for (const [i, entry] of nodes(isNode(feed) ? feed.entry : undefined).entries()) {
    const alerts = nodes(isNode(entry.content) ? entry.content.alert : undefined);
    if (alerts.length === 0) {
      const what = `entry ${child(entry, 'id')} left out: it is an index of an alert, not the alert (no <alert> in <content>)`;
      notes.push({ row: i + 1, what });
    }
    found.push(...alerts.map((alert) => ({ alert, row: i + 1 })));
  }
  const { drafts, notes: more } = fromAlerts(found);
  return { drafts, notes: [...notes, ...more] };
}

const PROBLEM_CHARACTERS_MAX = 200;

function parsed(text: string, source: string): unknown {
  const bare = text.replaceAll(/<!--[\s\S]*?-->/g, '').replaceAll(/<!\[CDATA\[[\s\S]*?\]\]>/g, '');
  const declaration = /<!(DOCTYPE|ENTITY)/i.exec(bare);
  if (declaration !== null) {
    throw inputError({
      source,
      place: 'document type',
      value: declaration[0],
      expected: 'XML without a DTD or entities',
    });
  }
  const valid = XMLValidator.validate(text);
  if (valid !== true) {
    const { line, col, msg } = valid.err;
    // The validator lists every tag that is open, of which there may be a million.
    const value = msg.slice(0, PROBLEM_CHARACTERS_MAX);
    throw inputError({ source, place: `line ${line}, column ${col}`, value, expected: 'well-formed XML' });
  }
  const version = NAMESPACE.exec(text);
  if (version === null || !VERSIONS.includes(version[1] ?? version[2] ?? '')) {
    const expected = 'the namespace of CAP 1.0, 1.1 or 1.2';
    throw inputError({ source, place: 'root element', value: version?.[0] ?? 'no CAP namespace', expected });
  }
  return parser.parse(text);
}

function fromAlerts(alerts: readonly { alert: Node; row: number }[]): { drafts: AlertDraft[]; notes: DataNote[] } {
  const drafts: AlertDraft[] = [];
  const notes: DataNote[] = [];
  for (const { alert, row } of alerts) {
    const missing = ['identifier', 'sender', 'sent', 'status', 'msgType', 'scope'].filter(
      (name) => child(alert, name) === '',
    );
    const infos = oneLanguage(nodes(alert.info));
    const id = child(alert, 'identifier') || 'without an id';
    // A Cancel, Ack or Error may come without <info>: what it says is in its references.
    const bare = infos.length === 0 && child(alert, 'msgType') === 'Cancel';
    if (missing.length > 0)
      notes.push({ row, what: `alert ${id} left out: ${missing.join(', ')} is missing (required by CAP)` });
    else if (bare) drafts.push(draftOf(alert, CANCEL_INFO, row));
    else if (infos.length === 0) notes.push({ row, what: `alert ${id} left out: no <info>, so no event to act on` });
    else drafts.push(...infos.map((info) => draftOf(alert, info, row)));
  }
  return { drafts, notes };
}

/** Stands in for the <info> a cancellation need not have. */
const CANCEL_INFO: Node = { event: 'Cancel', severity: 'Unknown', urgency: 'Unknown', certainty: 'Unknown' };

function oneLanguage(infos: readonly Node[]): readonly Node[] {
  const languageOf = (info: Node) => child(info, 'language').toLowerCase() || 'en-us';
  const english = infos.find((info) => languageOf(info).startsWith('en'));
  const first = english ?? infos[0];
  return first === undefined ? [] : infos.filter((info) => languageOf(info) === languageOf(first));
}

function draftOf(alert: Node, info: Node, row: number): AlertDraft {
  return {
    row,
    alertId: child(alert, 'identifier'),
    event: child(info, 'event'),
    status: child(alert, 'status'),
    messageType: child(alert, 'msgType'),
    severity: child(info, 'severity'),
    urgency: child(info, 'urgency'),
    certainty: child(info, 'certainty'),
    sent: child(alert, 'sent'),
    effective: child(info, 'effective'),
    onset: child(info, 'onset'),
    expires: child(info, 'expires'),
    ends: null,
    zones: nodes(info.area).flatMap((area) => nodes(area.geocode).flatMap(zonesOf)),
    references: textsOf(alert.references).flatMap((list) =>
      list.split(/\s+/).flatMap((triple) => triple.split(',')[1] ?? []),
    ),
    headline: child(info, 'headline'),
  };
}

function zonesOf(geocode: Node): string[] {
  const codes = child(geocode, 'value').split(/\s+/);
  switch (child(geocode, 'valueName')) {
    case 'UGC':
      return codes.filter(isUgc);
    case 'SAME':
    case 'FIPS6':
      return codes.filter(isSame);
    default:
      return [];
  }
}

/** Text of the first such element; '' when absent or empty. */
function child(node: Node, name: string): string {
  return textsOf(node[name])[0] ?? '';
}

function textsOf(value: unknown): string[] {
  return (Array.isArray(value) ? value : [value]).flatMap((v: unknown) =>
    typeof v === 'string' ? [unescaped(v.trim())] : [],
  );
}

const PREDEFINED: Readonly<Record<string, string>> = { lt: '<', gt: '>', quot: '"', apos: "'", amp: '&' };

/** The five entities every XML has, in one pass, so that "&amp;lt;" stays "&lt;". */
const unescaped = (text: string): string =>
  text.replaceAll(/&(lt|gt|quot|apos|amp);/g, (whole, name: string) => PREDEFINED[name] ?? whole);
