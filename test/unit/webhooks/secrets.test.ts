import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { hiddenHeaders } from '../../../src/domain/destination.ts';
import { SecretStore } from '../../../src/live/webhooks/secrets.ts';
import { secretOf, secretRefusal } from '../../../src/live/webhooks/signing.ts';
import { always, destination, event, Rig } from './rig.ts';

let dir = '';
let file = '';
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'vpp-secrets-'));
  file = join(dir, 'secrets.json');
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const CHOSEN = secretOf(new Uint8Array(32).fill(5));

/** What an error, a log or a dump may show of something. */
const wordsOf = (thing: unknown): string =>
  `${String(thing)} ${inspect(thing, { depth: 20, showHidden: true })} ${JSON.stringify(thing)} ${thing instanceof Error ? thing.stack : ''}`;

function thrown(work: () => unknown): Error {
  try {
    work();
  } catch (e) {
    if (e instanceof Error) return e;
  }
  throw new Error('nothing was thrown');
}

describe('the secret store', () => {
  test('keeps two secrets, the new one first; a third rotation drops the oldest', () => {
    const store = new SecretStore(file);
    const made = [store.rotateWebhook('a'), store.rotateWebhook('a'), store.rotateWebhook('a')];
    expect(new Set(made).size).toBe(3);
    expect(made.map(secretRefusal)).toEqual([null, null, null]);
    expect(store.webhookSecrets('a')).toEqual([made[2], made[1]]);
    expect(new SecretStore(file).webhookSecrets('a')).toEqual([made[2], made[1]]);
    store.retirePrevious('a');
    expect(new SecretStore(file).webhookSecrets('a')).toEqual([made[2]]);
  });

  test('takes a secret that the receiver chose, and forgets all of a destination', () => {
    const store = new SecretStore(file);
    store.adoptWebhook('a', CHOSEN);
    store.setHeaders('a', { Authorization: 'Bearer t' });
    expect([store.webhookSecrets('a'), store.headersOf('a')]).toEqual([[CHOSEN], { Authorization: 'Bearer t' }]);
    store.forgetWebhook('a');
    const again = new SecretStore(file);
    expect([again.webhookSecrets('a'), again.headersOf('a')]).toEqual([[], {}]);
    expect(readFileSync(file, 'utf8')).not.toContain(CHOSEN);
  });

  test('is a file of mode 0600, whatever a crash left beside it, and nothing else', () => {
    writeFileSync(`${file}.new`, 'half', { mode: 0o644 });
    new SecretStore(file).rotateWebhook('a');
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(readdirSync(dir)).toEqual(['secrets.json']);
  });

  test('is refused when others may read it, or when it is no store; the words hold nothing of it', () => {
    new SecretStore(file).adoptWebhook('a', CHOSEN);
    chmodSync(file, 0o640);
    const wide = thrown(() => new SecretStore(file));
    expect(wide.message).toContain('mode 0640');
    chmodSync(file, 0o600);
    writeFileSync(file, `{"format":1,"destinations":{"a":{"secrets":"${CHOSEN}"}}}`);
    const shape = thrown(() => new SecretStore(file));
    writeFileSync(file, `{"format":1,"${CHOSEN}`);
    const syntax = thrown(() => new SecretStore(file));
    const bad = thrown(() => new SecretStore(join(dir, 'other.json')).adoptWebhook('a', 'hunter2-hunter2'));
    for (const error of [wide, shape, syntax, bad]) {
      expect(error.name).toBe('InputError');
      expect(wordsOf(error)).not.toContain(CHOSEN);
      expect(wordsOf(error)).not.toContain('hunter2');
    }
  });
});

describe('secrets', () => {
  test('stand in no file but their own, in no error, and in nothing that the sender or the store shows', async () => {
    const rig = new Rig();
    const secret = rig.secrets.rotateWebhook('a');
    const token = 'token-4711-4711';
    rig.secrets.setHeaders('a', { Authorization: token, Broken: `${token}\n` });
    rig.answers.set('a', always(500));
    rig.sender.setDestinations([destination('a', { headers: hiddenHeaders({ Authorization: token, Broken: token }) })]);
    rig.sender.offer([event(1)], 1);
    await rig.to(10_000);
    expect(rig.got[0]?.headers.authorization).toBe(token);
    expect(rig.got.length).toBe(2);
    const { sender, secrets } = rig;
    const shown = [sender, secrets, sender.list('a', { limit: 9, state: null }), sender.health('a'), sender.status()];
    const words = shown.map(wordsOf).join('\n');
    const outbox = join(rig.dir, 'outbox');
    const files = readdirSync(outbox).map((name) => readFileSync(join(outbox, name), 'latin1'));
    expect(files.join('')).toContain('cmd-1');
    for (const text of [words, ...files]) {
      for (const hidden of [secret, secret.slice(6), token]) expect(text.includes(hidden)).toBe(false);
    }
    await rig.close();
  });
});
