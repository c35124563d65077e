import { z } from 'zod';
import { BEHAVIOUR, type Behaviour } from '../../simulators/oem/behaviour.ts';
import { InputError, nearestName, show } from '../../src/domain/errors.ts';
import type { Scheduler } from '../../src/ports/clock.ts';
import type { HttpRequest, HttpResponse } from '../../src/ports/http.ts';
import { FAULT_KINDS, FAULT_TARGETS, type Faults, NEXT_MAX } from './faults.ts';
import type { ServedWorld } from './served.ts';

/**
 * What a test asks a served cloud, and what it makes happen. JSON in, JSON out; a mistake is answered 400 with words.
 *
 *   GET  /testbed/state?device=ID   the devices (or one), what they were told, the commands the cloud keeps, its counts
 *   POST /testbed/storm             {vendorDeviceId | zone, active}: the cloud's storm mode, at once
 *   POST /testbed/behaviour         any part of the cloud's behaviour: {"down": true}, {"throttleFactor": 0}, …
 *   POST /testbed/fault             {kind, next?, on?}: strikes the next requests (faults.ts); {kind: "none"} forgets all
 *   POST /testbed/device            {vendorDeviceId, online?, reservePct?, optOut?}
 *   POST /testbed/program           {programId}: one more program that devices may be enrolled in
 *   POST /testbed/revoke-tokens     every token given out so far is refused
 */
export interface Served {
  readonly server: { readonly world: ServedWorld; readonly faults: Faults; readonly requests: number };
  readonly scheduler: Scheduler;
}

const storm = z
  .strictObject({ vendorDeviceId: z.string().optional(), zone: z.string().optional(), active: z.boolean() })
  .refine((s) => (s.vendorDeviceId === undefined) !== (s.zone === undefined), 'expected a vendorDeviceId or a zone');
const fault = z.strictObject({
  kind: z.enum([...FAULT_KINDS, 'none']),
  next: z.int().min(1).max(NEXT_MAX).default(1),
  on: z.enum(FAULT_TARGETS).default('any'),
});
const device = z.strictObject({
  vendorDeviceId: z.string(),
  online: z.boolean().optional(),
  reservePct: z.number().min(0).max(100).optional(),
  optOut: z.boolean().optional(),
});
const program = z.strictObject({ programId: z.string().min(1).max(100) });

export function controlRoute(served: Served, request: HttpRequest): HttpResponse {
  const [route, query] = request.path.split('?', 2);
  try {
    if (request.method === 'GET' && route === '/testbed/state') return state(served, new URLSearchParams(query));
    if (request.method !== 'POST') return wrong(404, 'no such path or method');
    return change(served, route ?? '', request.body === '' ? {} : JSON.parse(request.body));
  } catch (e) {
    if (e instanceof SyntaxError) return wrong(400, 'the body is not JSON');
    if (e instanceof z.ZodError) return wrong(400, z.prettifyError(e));
    if (e instanceof InputError) return wrong(400, e.message);
    throw e;
  }
}

function change({ server }: Served, route: string, body: unknown): HttpResponse {
  const { world, faults } = server;
  switch (route) {
    case '/testbed/storm': {
      const { vendorDeviceId, zone = '', active } = storm.parse(body);
      if (world.storm === null) return wrong(409, 'this cloud knows no storms');
      if (vendorDeviceId === undefined) return ok({ why: world.storm({ zone }, active) });
      if (world.indexOf(vendorDeviceId) === null) return unknownDevice();
      return ok({ why: world.storm({ vendorDeviceId }, active) });
    }
    case '/testbed/behaviour':
      world.cloud.setBehaviour(readBehaviour(body));
      return ok(world.cloud.behaviour());
    case '/testbed/fault': {
      const { kind, next, on } = fault.parse(body);
      if (kind === 'none') faults.clear();
      else if (!faults.add(kind, on, next)) return wrong(409, 'too many faults wait already');
      return ok({ waiting: faults.list() });
    }
    case '/testbed/device':
      return changeDevice(world, device.parse(body));
    case '/testbed/program':
      if (world.addProgram === null) return wrong(409, 'this cloud knows no programs');
      world.addProgram(program.parse(body).programId);
      return ok({});
    case '/testbed/revoke-tokens':
      world.cloud.revokeTokens();
      return ok({});
    default:
      return wrong(404, 'no such path');
  }
}

function changeDevice(world: ServedWorld, { vendorDeviceId, ...wanted }: z.infer<typeof device>): HttpResponse {
  const i = world.indexOf(vendorDeviceId);
  if (i === null) return unknownDevice();
  const why = world.change(i, wanted);
  return why === null ? ok(world.shown().devices[i]) : wrong(409, why);
}

function state({ server }: Served, query: URLSearchParams): HttpResponse {
  const { world, faults, requests } = server;
  const shown = world.shown();
  const wanted = query.get('device');
  const devices = wanted === null ? shown.devices : shown.devices.filter((d) => d.vendorDeviceId === wanted);
  if (wanted !== null && devices.length === 0) return unknownDevice();
  return ok({ ...shown, requests, faultsStruck: faults.struck, devices });
}

/** Values out of range are refused by the cloud itself. */
function readBehaviour(body: unknown): Partial<Behaviour> {
  const known: Behaviour = BEHAVIOUR.enphase;
  const given = z.record(z.string(), z.union([z.number(), z.boolean(), z.null()])).parse(body);
  for (const [name, value] of Object.entries(given)) {
    const didYouMean = nearestName(name, Object.keys(known));
    const at = {
      source: 'behaviour',
      place: name,
      value: show(value),
      ...(didYouMean === undefined ? {} : { didYouMean }),
    };
    if (!Object.hasOwn(known, name)) throw new InputError([{ ...at, expected: 'a name of the behaviour' }]);
    const isFlag = typeof known[name as keyof Behaviour] === 'boolean';
    const fits = isFlag ? typeof value === 'boolean' : typeof value === 'number' || name === 'siteRequestsPerDayMax';
    if (!fits) throw new InputError([{ ...at, expected: isFlag ? 'true or false' : 'a number' }]);
  }
  return given as Partial<Behaviour>;
}

const ok = (body: unknown): HttpResponse => ({
  status: 200,
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(body),
});

const wrong = (status: number, error: string): HttpResponse => ({ ...ok({ error }), status });
const unknownDevice = (): HttpResponse => wrong(404, 'no such device');
