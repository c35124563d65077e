import { existsSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { InputError } from '../../../src/domain/errors.ts';

/** Real input, kept beside the repository; tests that need a file are skipped by name where it is missing. */
const root = new URL('../../../../shared/data/', import.meta.url);

export const missing = (path: string): boolean => !existsSync(new URL(path, root));

export function dataText(path: string): string {
  const bytes = readFileSync(new URL(path, root));
  return (path.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8');
}

/** The message of the InputError that `read` must throw. */
export function refusal(read: () => unknown): string {
  try {
    read();
  } catch (error) {
    if (error instanceof InputError) return error.message;
    throw error;
  }
  throw new Error('nothing was refused');
}
