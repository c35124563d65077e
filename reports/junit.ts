import { escapeMarkup } from './escape.ts';
import { type ExpectationResult, type RunInfo, verdictOf } from './verdict.ts';

/**
 * JUnit XML for CI: one suite for the run, one test case for each expectation. A broken expectation of severity "warn"
 * passes and says so in system-out, as JUnit knows no warnings. No times: a run has virtual time only.
 */
export function junitXml(run: RunInfo, expectations: readonly ExpectationResult[]): string {
  const { failed } = verdictOf(expectations);
  const name = escapeMarkup(`${run.scenario} seed ${run.seed}`);
  const cases = expectations.map((e) => testCase(run, e)).join('');
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites tests="${expectations.length}" failures="${failed}" errors="0">`,
    `<testsuite name="${name}" tests="${expectations.length}" failures="${failed}" errors="0" skipped="0">`,
    `<properties>${property('seed', run.seed)}${property('hash', run.hash)}${property('version', run.version)}${property('replay', run.replayCommand)}</properties>`,
    `${cases}</testsuite>`,
    '</testsuites>',
    '',
  ].join('\n');
}

const property = (name: string, value: string): string =>
  `<property name="${name}" value="${escapeMarkup(value).replace(/\n/g, '&#10;')}"/>`;

function testCase(run: RunInfo, e: ExpectationResult): string {
  const open = `<testcase classname="${attribute(run.scenario)}" name="${attribute(e.name)}"`;
  if (e.passed) return `${open}/>\n`;
  const message = `expected ${e.expected}, found ${e.found}; where: ${e.where}; when: ${e.when}`;
  const body = `${message}\nreplay: ${run.replayCommand}`;
  if (e.severity === 'warn') return `${open}><system-out>warning: ${escapeMarkup(body)}</system-out></testcase>\n`;
  return `${open}><failure message="${attribute(message)}" type="${attribute(e.kind)}">${escapeMarkup(body)}</failure></testcase>\n`;
}

/** Line breaks in an attribute would be read back as spaces. */
const attribute = (text: string): string => escapeMarkup(text).replace(/\r/g, '&#13;').replace(/\n/g, '&#10;');
