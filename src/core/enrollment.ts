import type { Device } from '../domain/device.ts';
import { ENROLLMENT_NEXT, type EnrollmentStatus, programTag } from '../domain/program.ts';
import { type EpochMs, MS_PER_DAY, MS_PER_MIN } from '../domain/units.ts';
import type { OemReply } from '../ports/oem.ts';
import { type Context, capabilitiesOf } from './context.ts';
import type { Effect } from './input.ts';
import { type CoreState, type DeviceEntry, type Enrollment, enrollmentKey } from './state.ts';

/**
 * Enrollment in a program: candidate → eligible | ineligible; eligible → submitted → approved | rejected; approved →
 * unenrolled. Where the manufacturer enrols by itself (SolarEdge, on connect) all steps are made at once; where it does
 * not (Enphase) an application goes out, a test period follows and the cloud is asked until it decides.
 * One that is over stays over: who enrols again gets a new enrollment, with an id of its own, which takes its place.
 */
export function enroll(ctx: Context, deviceId: string, programId: string): void {
  const device = ctx.state.devices.get(deviceId);
  if (device === undefined) return ctx.refuse('enroll', `${deviceId}: no such device`, 'unknown');
  // A program of another workspace is none here (promise S14).
  if (ctx.state.programs.get(programId)?.workspaceId !== device.device.workspaceId) {
    return ctx.refuse('enroll', `${programId}: no such program`, 'unknown');
  }
  const known = ctx.state.enrollments.get(enrollmentKey(deviceId, programId));
  if (known !== undefined && !isOver(known)) {
    return ctx.refuse('enroll', `${deviceId} is already ${known.status} in ${programId}`);
  }
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

const isOver = (e: Enrollment): boolean => ENROLLMENT_NEXT[e.status].length === 0;

/**
 * Where the manufacturer enrols on connection, that happens for every program whose group the device is in; also when it
 * comes into the group later, or its organisation takes up grid services again. One that was taken out of a program by
 * itself stays out until somebody enrols it.
 */
export function enrollByItself(ctx: Context, device: Device): void {
  if (device.source.kind !== 'oem' || !ctx.state.workspaces.get(device.workspaceId)?.gridServices) return;
  const caps = ctx.settings.capabilities[device.source.oem];
  if (!caps.gridServices || !caps.autoEnroll) return;
  for (const { programId, workspaceId } of ctx.state.programs.values()) {
    if (workspaceId !== device.workspaceId) continue;
    const known = ctx.state.enrollments.get(enrollmentKey(device.deviceId, programId));
    const mayJoin = known === undefined || (isOver(known) && !known.wasTakenOut);
    if (mayJoin && device.tags.includes(programTag(programId))) enroll(ctx, device.deviceId, programId);
  }
}

/** Enables grid services for an organisation, or disables them: then its approved devices leave their programs. */
export function enableGridServices(
  ctx: Context,
  r: { readonly workspaceId: string; readonly enabled: boolean; readonly actor: string },
): void {
  const workspace = ctx.state.workspaces.get(r.workspaceId);
  if (workspace === undefined) {
    return ctx.refuse('enable-grid-services', `${r.workspaceId}: no such workspace`, 'unknown');
  }
  if (workspace.gridServices === r.enabled) return;
  const { workspaceId, enabled, actor } = r;
  ctx.emit({ type: 'workspace.grid-services', workspaceId, enabled, actor });
  for (const { device } of [...ctx.state.devices.values()]) {
    if (device.workspaceId !== workspaceId) continue;
    if (enabled) enrollByItself(ctx, device);
    else leaveAll(ctx, device.deviceId, actor);
  }
}

/** How a device stands with grid services over all programs. */
export function enrollmentOf(state: CoreState, deviceId: string): 'approved' | 'pending' | 'none' {
  let standing: 'pending' | 'none' = 'none';
  for (const [programId, members] of state.enrolledIn) {
    if (!members.has(deviceId)) continue;
    const status = state.enrollments.get(enrollmentKey(deviceId, programId))?.status;
    if (status === 'approved') return 'approved';
    if (status === 'candidate' || status === 'eligible' || status === 'submitted') standing = 'pending';
  }
  return standing;
}

function leaveAll(ctx: Context, deviceId: string, actor: string): void {
  for (const e of ctx.state.enrollments.values()) {
    if (e.deviceId !== deviceId || e.status !== 'approved') continue;
    move(ctx, e, 'unenrolled', `grid services were disabled for the organisation by ${actor}`);
  }
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

/** The cloud's answer to an application, or to the question after it. Only the enrollment it was about moves. */
export function onEnrollmentReply(ctx: Context, deviceId: string, reply: OemReply): void {
  const pending = pendingOf(ctx, deviceId).find((e) => reply.jobId === applyJobId(e) || reply.jobId === readJobId(e));
  if (pending === undefined) return;
  if (reply.kind === 'refused' && reply.jobId === applyJobId(pending)) {
    return move(ctx, pending, 'rejected', `the manufacturer refused the application: ${reply.code} ${reply.message}`);
  }
  if (reply.kind !== 'enrollment') return;
  if (reply.status === 'approved') return move(ctx, pending, 'approved', 'the test period was passed');
  if (reply.status === 'rejected') return move(ctx, pending, 'rejected', 'the manufacturer rejected it');
  // The application was lost on its way: it goes out again with the next question. Saying it twice changes nothing.
  if (reply.status === 'not-enrolled') for (const effect of applicationOf(ctx, pending)) ctx.ask(effect);
}

const pendingOf = (ctx: Context, deviceId: string): Enrollment[] =>
  [...ctx.state.programs.keys()].flatMap((programId) => {
    const e = ctx.state.enrollments.get(enrollmentKey(deviceId, programId));
    return e?.status === 'submitted' ? [e] : [];
  });

const readJobId = (e: Enrollment): string => `read-${e.enrollmentId}`;
const applyJobId = (e: Enrollment): string => `apply-${e.enrollmentId}`;

function applicationOf(ctx: Context, e: Enrollment): Effect[] {
  const device = ctx.state.devices.get(e.deviceId)?.device;
  if (device === undefined || device.source.kind !== 'oem') return [];
  const { oem, vendorDeviceId } = device.source;
  const job = { kind: 'enroll', jobId: applyJobId(e), vendorDeviceId, programId: e.programId } as const;
  return [{ kind: 'oem', oem, deviceId: e.deviceId, job }];
}

/** Takes a device out of a program; refused unless it is approved in it. */
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

/** How often a pending application is asked after, and for how long. */
const CHECK_MS = 30 * MS_PER_MIN;
const CHECK_MS_MAX = 90 * MS_PER_DAY;

/** Asks the cloud about a pending application. @returns when to ask again [epoch ms]; null if it is settled or too old */
export function checkEnrollment(
  ctx: Context,
  which: { readonly enrollmentKey: string; readonly enrollmentId: string },
): EpochMs | null {
  const e = ctx.state.enrollments.get(which.enrollmentKey);
  if (e === undefined || e.enrollmentId !== which.enrollmentId || e.status !== 'submitted' || e.submittedAtMs === null)
    return null;
  const device = ctx.state.devices.get(e.deviceId)?.device;
  if (device === undefined || device.source.kind !== 'oem') return null;
  const { oem, vendorDeviceId } = device.source;
  const job = { kind: 'read-enrollment', jobId: readJobId(e), vendorDeviceId, programId: e.programId } as const;
  ctx.ask({ kind: 'oem', oem, deviceId: e.deviceId, job });
  return ctx.nowMs - e.submittedAtMs < CHECK_MS_MAX ? ctx.nowMs + CHECK_MS : null;
}
