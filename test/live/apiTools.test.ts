import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { randomId, randomSecret } from '../../src/api/tools.ts';
import { createApiTools, keysInFile, keysInMemory } from '../../src/live/apiTools.ts';

const folder = mkdtempSync(join(tmpdir(), 'vpp-keys-'));
afterAll(() => rmSync(folder, { recursive: true }));

const tools = async () => createApiTools({ keys: await keysInMemory(), report: () => undefined });

describe('the tools of the HTTP face', () => {
  test('ids and secrets do not repeat, over the blocks they are taken from', async () => {
    const t = await tools();
    const ids = new Set(Array.from({ length: 20_000 }, () => randomId(t, 'x')));
    expect(ids.size).toBe(20_000);
    expect(randomSecret(t)).toMatch(/^[0-9a-f]{64}$/);
    const seen = new Set(Array.from({ length: 1_000 }, () => t.random(16).join()));
    expect(seen.size).toBe(1_000);
    expect(t.random(20_000).length).toBe(20_000);
  });

  test('sha256 and scrypt are the standard’s', async () => {
    const t = await tools();
    // FIPS 180-2 B.1.
    expect(t.sha256('abc')).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
    const hash = await t.scrypt('secret', 'salt');
    expect(hash).toMatch(/^[0-9a-f]{64}$/);
    expect(await t.scrypt('secret', 'salt')).toBe(hash);
    expect(await t.scrypt('secret', 'other')).not.toBe(hash);
  });

  test('texts are compared whole', async () => {
    const t = await tools();
    expect([t.equal('abc', 'abc'), t.equal('abc', 'abd'), t.equal('abc', 'abcd'), t.equal('', '')]).toEqual([
      true,
      false,
      false,
      true,
    ]);
  });
});

describe('signing keys in a file', () => {
  test('stay over a restart and a rotation, and are nobody else’s to read', async () => {
    const path = join(folder, 'keys.json');
    const first = await keysInFile(path);
    const kid = first.signing().kid;
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const again = await keysInFile(path);
    expect(again.signing().kid).toBe(kid);
    await again.rotate();
    const third = await keysInFile(path);
    expect(third.live().map((k) => k.kid)).toEqual([kid, again.signing().kid]);
    expect(third.signing().kid).not.toBe(kid);
    expect(third.live().every((k) => !('d' in k.jwk))).toBe(true);
    expect(readFileSync(path, 'utf8')).toContain('"d"');
    chmodSync(path, 0o644);
    await expect(keysInFile(path)).rejects.toThrow('0600');
  });

  test('may be EdDSA', async () => {
    const keys = await keysInFile(join(folder, 'ed.json'), 'EdDSA');
    expect((await keysInFile(join(folder, 'ed.json'))).signing().kid).toBe(keys.signing().kid);
    expect(keys.signing().jwk.crv).toBe('Ed25519');
  });
});
