import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { scan, type Token } from './scan.ts';

export interface SourceFile {
  /** From the root of the project, with slashes: "src/core/core.ts". */
  readonly path: string;
  readonly text: string;
  readonly tokens: readonly Token[];
}

export interface Violation {
  readonly path: string;
  readonly line: number;
  readonly what: string;
}

export const ROOT = join(import.meta.dirname, '../..');
const TOP = ['src', 'simulators', 'scenarios', 'harness', 'reports', 'test'];

export const sourceFile = (path: string, text: string): SourceFile => ({ path, text, tokens: scan(text) });

/** Every .ts file of the project. */
export const allFiles: readonly SourceFile[] = TOP.flatMap((top) =>
  readdirSync(join(ROOT, top), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => `${top}/${name.replaceAll('\\', '/')}`)
    .toSorted(),
).map((path) => sourceFile(path, readFileSync(join(ROOT, path), 'utf8')));

export const print = (violations: readonly Violation[]): string[] =>
  violations.map((v) => `${v.path}:${v.line}: ${v.what}`);

export const isInside = (path: string, folder: string): boolean => path === folder || path.startsWith(`${folder}/`);
