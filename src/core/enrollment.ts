import { ENROLLMENT_NEXT, type EnrollmentStatus, programTag } from '../domain/program.ts';
import type { OemReply } from '../ports/oem.ts';
import { type Context, capabilitiesOf } from './context.ts';
import { type DeviceEntry, type Enrollment, enrollmentKey } from './state.ts';

/**
 * Enrollment in a program: candidate → eligible | ineligible; eligible → submitted → approved | rejected; approved →
 * unenrolled. Where the manufacturer enrols by itself (SolarEdge, on connect) all steps are made at once; where it does
 * not (Enphase) an application goes out, a test period follows and the cloud is asked until it decides.
 */
export function enroll(ctx: Context, deviceId: string, programId: string): void {
  const device = ctx.state.devices.get(deviceId);
  if (device === undefined) return ctx.refuse('enroll', `${deviceId}: no such device`);
  if (!ctx.state.programs.has(programId)) return ctx.refuse('enroll', `${programId}: no such program`);
  const known = ctx.state.enrollments.get(enrollmentKey(deviceId, programId));
  if (known !== undefined) return ctx.refuse('enroll', `${deviceId} is already ${known.status} in ${programId}`);
  const enrollmentId = `enr-${ctx.state.counters.enrollment + 1}`;
  const step = (from: EnrollmentStatus | null, to: EnrollmentStatus, why: string) =>
    ctx.emit({ type: 'enrollment.changed', enrollmentId, deviceId, programId, from, to, why });
  step(null, 'candidate', 'asked for');
  const obstacle = ineligible(ctx, device, programId);
  if (obstacle !== null) return step('candidate', 'ineligible', obstacle);
  step('candidate', 'eligible', 'the device can take part');
  step('eligible', 'submitted', howSubmitted(ctx, device));
  const caps = capabilitiesOf(ctx, device);
  if (caps === null) return step('submitted', 'approved', 'a site under contract: no manufacturer has to agree');
  if (!caps.gridServices) return step('submitted', 'approved', 'no Grid Service: controlled over the baseline path');
  if (caps.autoEnroll) return step('submitted', 'approved', 'the manufacturer enrols by itself on connection');
}

function ineligible(ctx: Context, device: DeviceEntry, programId: string): string | null {
  const { workspaceId, nameplate, tags } = device.device;
  if (!tags.includes(programTag(programId))) return 'the device is not in a group of this program';
  if (ctx.state.workspaces.get(workspaceId)?.gridServices !== true)
    return 'grid services are not enabled for the organisation';
  return nameplate.dischargeWMax > 0 ? null : 'the device cannot discharge';
}

function howSubmitted(ctx: Context, device: DeviceEntry): string {
  const caps = capabilitiesOf(ctx, device);
  return caps?.gridServices && !caps.autoEnroll ? 'application sent to the manufacturer' : 'submitted to the program';
}

export function onEnrollmentReply(ctx: Context, deviceId: string, reply: OemReply): void {
  if (reply.kind !== 'enrollment') return;
  if (reply.status !== 'approved' && reply.status !== 'rejected') return;
  for (const e of pendingOf(ctx, deviceId)) {
    move(
      ctx,
      e,
      reply.status,
      reply.status === 'approved' ? 'the test period was passed' : 'the manufacturer rejected it',
    );
  }
}

function pendingOf(ctx: Context, deviceId: string): Enrollment[] {
  return [...ctx.state.enrollments.values()].filter((e) => e.deviceId === deviceId && e.status === 'submitted');
}

export function unenroll(ctx: Context, deviceId: string, programId: string, why: string): void {
  const e = ctx.state.enrollments.get(enrollmentKey(deviceId, programId));
  if (e === undefined || !ENROLLMENT_NEXT[e.status].includes('unenrolled')) {
    return ctx.refuse('unenroll', `${deviceId} is ${e?.status ?? 'not enrolled'} in ${programId}`);
  }
  move(ctx, e, 'unenrolled', why);
}

function move(ctx: Context, e: Enrollment, to: EnrollmentStatus, why: string): void {
  const { enrollmentId, deviceId, programId, status: from } = e;
  ctx.emit({ type: 'enrollment.changed', enrollmentId, deviceId, programId, from, to, why });
}

/** Asks the cloud about a pending application. */
export function checkEnrollment(ctx: Context, key: string): void {
  const e = ctx.state.enrollments.get(key);
  if (e === undefined || e.status !== 'submitted') return;
  const device = ctx.state.devices.get(e.deviceId)?.device;
  if (device === undefined || device.source.kind !== 'oem') return;
  const { oem, vendorDeviceId } = device.source;
  const job = {
    kind: 'read-enrollment',
    jobId: `read-${e.enrollmentId}`,
    vendorDeviceId,
    programId: e.programId,
  } as const;
  ctx.ask({ kind: 'oem', oem, deviceId: e.deviceId, job });
}
