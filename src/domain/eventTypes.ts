/**
 * Every type of event that destinations and streams are told: its version, and what happened. The first word is the
 * topic of the stream.
 * @source TextureHQ/docs events: types and versions of customer.created, command.*, device.*, enrollment.* and
 *         site.created; the others follow the same form and are our own
 */
export const EVENT_TYPES = {
  'alert.opened': { version: '0.0.1', means: 'An alert was opened' },
  'alert.updated': { version: '0.0.1', means: 'Somebody acknowledged or ignored an alert, or it became worse' },
  'alert.resolved': { version: '0.0.1', means: 'The cause of an alert is gone' },
  'approval.requested': {
    version: '0.0.1',
    means: 'Somebody asks for leave to control a site; a second person decides',
  },
  'approval.approved': { version: '0.0.1', means: 'A second person gave leave to control a site' },
  'approval.ended': { version: '0.0.1', means: 'An approval was refused, revoked or void, or its time is over' },
  'automation.triggered': { version: '0.0.1', means: 'The condition of an automation came true' },
  'bid.awarded': { version: '0.0.1', means: 'The market awarded a bid' },
  'command.succeeded': { version: '0.0.2', means: 'A command ended and its effect was seen' },
  'command.failed': { version: '0.0.2', means: 'A command ended in any other way; status and reason say which' },
  'customer.created': { version: '0.0.1', means: 'A customer was created' },
  'device.discovered': { version: '1.0.0', means: 'A device was connected' },
  'device.updated': { version: '1.0.0', means: 'Storm Guard began or ended at a device, or it can be reached again' },
  'device.disconnected': { version: '1.0.0', means: 'A device cannot be reached' },
  'enrollment.created': { version: '0.0.1', means: 'A device became a candidate of a program' },
  'enrollment.submitted': { version: '0.0.1', means: 'An application went to the manufacturer' },
  'enrollment.approved': { version: '0.0.1', means: 'The manufacturer approved a device for grid services' },
  'enrollment.rejected': { version: '0.0.1', means: 'The manufacturer rejected an application' },
  'enrollment.status_changed': { version: '0.0.1', means: 'Any other change of an enrollment' },
  'event.offered': { version: '0.0.1', means: 'A grid event was offered' },
  'event.started': { version: '0.0.1', means: 'A grid event began: the dispatch' },
  'event.ended': { version: '0.0.1', means: 'A grid event ended' },
  'event.cancelled': { version: '0.0.1', means: 'A grid event was called off' },
  'event.measured': { version: '0.0.1', means: 'What a grid event delivered was measured' },
  'schedule.fired': { version: '0.0.1', means: 'A schedule issued its commands' },
  'site.created': { version: '0.0.1', means: 'A site was created' },
  'stop.latched': {
    version: '0.0.1',
    means: 'A device was stopped in an emergency; it stays so until two people release it',
  },
  'stop.release-requested': { version: '0.0.1', means: 'Somebody asks to release a stop; a second person decides' },
  'stop.released': { version: '0.0.1', means: 'A second person released a stop' },
} as const satisfies Readonly<Record<string, { readonly version: string; readonly means: string }>>;

export type EventType = keyof typeof EVENT_TYPES;

/** In the order of the table, which is not empty. */
export const EVENT_TYPE_NAMES = Object.keys(EVENT_TYPES) as unknown as readonly [EventType, ...EventType[]];

/** First words of the types, each once. */
export const EVENT_TOPICS: readonly string[] = [...new Set(EVENT_TYPE_NAMES.map((t) => t.split('.', 1)[0] ?? t))];
