import { PRIORITY } from '../../src/ports/clock.ts';
import type { HttpRequest, HttpResponse } from '../../src/ports/http.ts';
import type { Seat } from './cloud.ts';
import { type Application, type EnphaseCtx, FIRST_APPLICATION, fail, siteId, stamp } from './enphaseParts.ts';
import { json, readObject } from './http.ts';

/**
 * Applications: Application_Submitted (papers) -> Site_Submitted (test period of the site) -> Site_Approved, or
 * Application_Rejected. The words are read, their order is assumed.
 */
export function applicationRoute(ctx: EnphaseCtx, request: HttpRequest, id: string | undefined): HttpResponse {
  if (request.method === 'POST' && id === undefined) return apply(ctx, request);
  const seat = ctx.base.seat(id ?? '');
  const application = seat === undefined ? undefined : ctx.applications.get(seat);
  if (request.method !== 'GET' || seat === undefined || application === undefined) {
    return fail(404, 'No applications found', `There is no application found for the site_id : ${id ?? ''}`);
  }
  return json(200, {
    site_id: siteId(seat),
    program_id: application.programId,
    application_id: application.applicationId,
    application_status: application.status,
    created_at: stamp(application.createdMs),
    application_type: 'enrollment',
  });
}

/** The real API takes this object as text in a multipart form with the signed papers. */
function apply(ctx: EnphaseCtx, request: HttpRequest): HttpResponse {
  const { base, options, applications } = ctx;
  const form = readObject(request.body);
  const seat = base.seat(String(form?.site_id ?? ''));
  if (form === null || seat === undefined) return fail(404, `No site found for ${String(form?.site_id)}`);
  const programId = form.program_id;
  if (typeof programId !== 'string' || !options.programs.some((p) => p.programId === programId)) {
    return fail(403, 'Please provide valid Program ID');
  }
  const known = applications.get(seat);
  if (known !== undefined && known.status !== 'Application_Rejected') {
    return fail(
      409,
      `Application ID: ${known.applicationId} for site_id = ${seat.id} exists`,
      'a site is a member of one program only',
    );
  }
  const application: Application = {
    applicationId: FIRST_APPLICATION + applications.size,
    programId,
    createdMs: options.scheduler.nowMs(),
    status: 'Application_Submitted',
  };
  applications.set(seat, application);
  decideLater(ctx, seat, application);
  return json(200, {
    site_id: siteId(seat),
    program_id: programId,
    application_id: application.applicationId,
    application_status: application.status,
  });
}

/** Papers first, then the test period of the site; each takes half of the drawn time. */
function decideLater(ctx: EnphaseCtx, seat: Seat, application: Application): void {
  const { scheduler } = ctx.options;
  const { enrollMsMin, enrollMsMax, enrollRejectRatio } = ctx.base.behaviour();
  const takesMs = Math.round(enrollMsMin + (enrollMsMax - enrollMsMin) * seat.draw.next());
  const rejected = seat.draw.chance(enrollRejectRatio);
  const startMs = scheduler.nowMs();
  const papers = (): void => {
    application.status = rejected ? 'Application_Rejected' : 'Site_Submitted';
  };
  const tested = (): void => {
    if (!rejected) application.status = 'Site_Approved';
  };
  scheduler.at(startMs + Math.floor(takesMs / 2), papers, PRIORITY.world);
  scheduler.at(startMs + takesMs, tested, PRIORITY.world);
}
