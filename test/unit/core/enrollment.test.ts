import { describe, expect, test } from 'vitest';
import { Bench, HOUR, MIN, PROGRAM, T0 } from '../../helpers/coreBench.ts';

const statuses = (b: Bench, deviceId: string) =>
  b.factsOf('enrollment.changed').flatMap((f) => (f.deviceId === deviceId ? [f.to] : []));
const statusOf = (b: Bench, deviceId: string) => b.core.state.enrollments.get(`${PROGRAM}/${deviceId}`)?.status;
const enrollmentJobs = (b: Bench) =>
  b.sent.flatMap(({ effect, atMs }) =>
    effect.kind === 'oem' && (effect.job.kind === 'enroll' || effect.job.kind === 'read-enrollment')
      ? [{ kind: effect.job.kind, jobId: effect.job.jobId, atMs }]
      : [],
  );

describe('enrollment', () => {
  test('SolarEdge is enrolled at once on connection, and the workspace is told', () => {
    const b = new Bench();
    b.device('solaredge', 's', { enrolled: false });
    expect(statuses(b, 's')).toEqual(['candidate', 'eligible', 'submitted', 'approved']);
    const told = b.sent.flatMap(({ effect }) => (effect.kind === 'notify' ? [effect.type] : []));
    expect(told).toContain('enrollment.approved');
  });

  test('Enphase needs an application; it is asked after until the test period is over', () => {
    const b = new Bench();
    b.device('enphase', 'e', { enrolled: false, observed: false });
    expect(statuses(b, 'e')).toEqual([]);
    b.put({ kind: 'enroll', deviceId: 'e', programId: PROGRAM });
    expect(statuses(b, 'e')).toEqual(['candidate', 'eligible', 'submitted']);
    b.advance(3 * 24 * HOUR);
    const jobs = enrollmentJobs(b);
    expect(jobs.filter((j) => j.kind === 'enroll')).toHaveLength(1);
    expect(jobs.filter((j) => j.kind === 'read-enrollment').length).toBe(144);
    b.enrollmentReply('e', 'enr-1', 'submitted');
    expect(statusOf(b, 'e')).toBe('submitted');
    b.enrollmentReply('e', 'enr-1', 'approved');
    expect(statusOf(b, 'e')).toBe('approved');
    const before = enrollmentJobs(b).length;
    b.advance(24 * HOUR);
    expect(enrollmentJobs(b)).toHaveLength(before);
  });

  test('an application that is never decided is asked after for 90 days, then no more', () => {
    const b = new Bench();
    b.device('enphase', 'e', { enrolled: false, observed: false });
    b.put({ kind: 'enroll', deviceId: 'e', programId: PROGRAM });
    b.advance(91 * 24 * HOUR);
    expect(b.core.state.agenda.saved().entries.map((e) => e.item.kind)).toEqual(['silence-check']);
    expect(statusOf(b, 'e')).toBe('submitted');
  });

  test('a lost application goes out again when the cloud does not know the device', () => {
    const b = new Bench();
    b.device('enphase', 'e', { enrolled: false });
    b.put({ kind: 'enroll', deviceId: 'e', programId: PROGRAM });
    b.advance(2 * MIN);
    b.enrollmentReply('e', 'enr-1', 'not-enrolled');
    expect(enrollmentJobs(b).filter((j) => j.kind === 'enroll')).toHaveLength(2);
  });

  test('a rejection is final, and so is a refused application; who enrols again applies again', () => {
    const b = new Bench();
    for (const id of ['e1', 'e2']) {
      b.device('enphase', id, { enrolled: false });
      b.put({ kind: 'enroll', deviceId: id, programId: PROGRAM });
    }
    b.enrollmentReply('e1', 'enr-1', 'rejected');
    b.reply('e2', { kind: 'refused', jobId: 'apply-enr-2', code: 'X', message: 'no' });
    expect([statusOf(b, 'e1'), statusOf(b, 'e2')]).toEqual(['rejected', 'rejected']);
    b.enrollmentReply('e1', 'enr-1', 'approved');
    expect(statusOf(b, 'e1')).toBe('rejected');
    b.put({ kind: 'enroll', deviceId: 'e1', programId: PROGRAM });
    expect(b.core.state.enrollments.get(`${PROGRAM}/e1`)).toMatchObject({ enrollmentId: 'enr-3', status: 'submitted' });
    b.enrollmentReply('e1', 'enr-1', 'rejected');
    expect(statusOf(b, 'e1')).toBe('submitted');
    const before = enrollmentJobs(b).length;
    b.advance(2 * HOUR);
    const asked = enrollmentJobs(b).slice(before);
    expect(asked.map((j) => [j.jobId, (j.atMs - T0) / MIN])).toEqual([1, 31, 61, 91].map((m) => ['read-enr-3', m]));
    b.enrollmentReply('e1', 'enr-3', 'approved');
    b.put({ kind: 'enroll', deviceId: 'e1', programId: PROGRAM });
    expect(b.refusals.at(-1)?.why).toBe('e1 is already approved in dsgs');
  });

  test('a tag that was forgotten is no dead end, and the organisation that comes back comes back whole', () => {
    const b = new Bench();
    b.device('enphase', 'e', { enrolled: false, tags: [] });
    b.device('solaredge', 's', { enrolled: false, tags: [] });
    b.put({ kind: 'enroll', deviceId: 'e', programId: PROGRAM });
    expect(statuses(b, 's')).toEqual([]);
    for (const deviceId of ['e', 's']) b.put({ kind: 'tag-device', deviceId, tags: ['program:dsgs'] });
    expect([statusOf(b, 'e'), statusOf(b, 's')]).toEqual(['ineligible', 'approved']);
    b.enroll('e');
    expect(statusOf(b, 'e')).toBe('ineligible');
    b.put({ kind: 'enroll', deviceId: 'e', programId: PROGRAM });
    b.enroll('e');
    for (const enabled of [false, true]) {
      b.put({ kind: 'enable-grid-services', workspaceId: 'ws', enabled, actor: 'ana' });
    }
    expect([statusOf(b, 'e'), statusOf(b, 's')]).toEqual(['unenrolled', 'approved']);
    b.put({ kind: 'enroll', deviceId: 'e', programId: PROGRAM });
    b.enroll('e');
    expect(statusOf(b, 'e')).toBe('approved');
    const ids = b.factsOf('enrollment.changed').flatMap((f) => (f.from === null ? [f.enrollmentId] : []));
    expect(ids).toEqual(['enr-1', 'enr-2', 'enr-3', 'enr-4', 'enr-5']);
  });

  test('a device that was taken out of its program by itself stays out until somebody enrols it', () => {
    const b = new Bench();
    b.device('solaredge', 's');
    b.put({ kind: 'unenroll', deviceId: 's', programId: PROGRAM, why: 'its owner left' });
    for (const enabled of [false, true]) {
      b.put({ kind: 'enable-grid-services', workspaceId: 'ws', enabled, actor: 'ana' });
    }
    b.put({ kind: 'tag-device', deviceId: 's', tags: ['program:dsgs', 'roof'] });
    expect(statusOf(b, 's')).toBe('unenrolled');
    b.put({ kind: 'enroll', deviceId: 's', programId: PROGRAM });
    expect(statusOf(b, 's')).toBe('approved');
  });

  test('an answer moves only the enrollment it is about', () => {
    const b = new Bench();
    b.program('other');
    b.device('enphase', 'e', { enrolled: false, tags: ['program:dsgs', 'program:other'] });
    b.put({ kind: 'enroll', deviceId: 'e', programId: PROGRAM });
    b.put({ kind: 'enroll', deviceId: 'e', programId: 'other' });
    b.enrollmentReply('e', 'enr-2', 'approved');
    expect(statusOf(b, 'e')).toBe('submitted');
    expect(b.core.state.enrollments.get('other/e')?.status).toBe('approved');
  });

  test('Tesla without Grid Service and a site under contract are approved on request', () => {
    const b = new Bench();
    b.device('tesla', 't');
    b.device('dnp3', 'x');
    expect([statusOf(b, 't'), statusOf(b, 'x')]).toEqual(['approved', 'approved']);
  });

  test('a device outside the program, one that cannot discharge, and any device of an organisation without grid services are ineligible', () => {
    const b = new Bench();
    b.device('enphase', 'e', { enrolled: false, tags: [] });
    b.device('enphase', 'f', { enrolled: false, dischargeWMax: 0 });
    for (const deviceId of ['e', 'f']) b.put({ kind: 'enroll', deviceId, programId: PROGRAM });
    const c = new Bench({ gridServices: false });
    c.device('solaredge', 's', { enrolled: false });
    expect(statuses(c, 's')).toEqual([]);
    c.put({ kind: 'enroll', deviceId: 's', programId: PROGRAM });
    expect([statusOf(b, 'e'), statusOf(b, 'f'), statusOf(c, 's')]).toEqual(['ineligible', 'ineligible', 'ineligible']);
  });

  test('unenrolling ends participation; twice, unknown device, unknown program are refused', () => {
    const b = new Bench();
    b.device('solaredge', 's');
    b.put({ kind: 'unenroll', deviceId: 's', programId: PROGRAM, why: 'moved' });
    b.put({ kind: 'unenroll', deviceId: 's', programId: PROGRAM, why: 'moved' });
    b.put({ kind: 'enroll', deviceId: 'nobody', programId: PROGRAM });
    b.put({ kind: 'enroll', deviceId: 's', programId: 'nothing' });
    expect(b.refusals.map((r) => r.why)).toEqual([
      's is unenrolled in dsgs',
      'nobody: no such device',
      'nothing: no such program',
    ]);
    b.event(1_000, { inMs: 0 });
    b.advance(0);
    expect(b.reasonOf('s')).toBe('not_enrolled');
  });
});
