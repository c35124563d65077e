import { CST, Lexer } from 'yaml';

export const DEPTH_MAX = 32;
const INDENT_MAX = 200;
export const NESTING_LIMIT = `at most ${DEPTH_MAX} levels of nesting, indented by at most ${INDENT_MAX} spaces`;

/**
 * Finds brackets, dashes or question marks that nest deeper than DEPTH_MAX, before anything that recurses sees the
 * text: a megabyte of "{" exhausts the stack of a YAML parser in ways that end the process. Indentation has a limit of
 * its own, since it nests as well.
 * @returns offset of the first token that is too deep, or null
 */
export function tooDeepAt(text: string): number | null {
  let offset = 0;
  let brackets = 0;
  let onLine = 0;
  let atLineStart = true;
  let scalarNext = false;
  for (const token of new Lexer().lex(text)) {
    const type: string | null = scalarNext ? null : CST.tokenType(token);
    if (atLineStart && type === 'space' && token.length > INDENT_MAX) return offset;
    if (!isMark(type)) atLineStart = type === 'newline';
    scalarNext = type === 'scalar';
    if (type === 'flow-map-start' || type === 'flow-seq-start') brackets += 1;
    else if (type === 'flow-map-end' || type === 'flow-seq-end') brackets -= 1;
    else if (type === 'seq-item-ind' || type === 'explicit-key-ind') onLine += 1;
    else if (type === 'newline') onLine = 0;
    if (brackets > DEPTH_MAX || onLine > DEPTH_MAX) return offset;
    if (!isMark(type)) offset += token.length;
  }
  return null;
}

/** Tokens that stand for no character of the text. */
const isMark = (type: string | null): boolean =>
  type === 'scalar' || type === 'doc-mode' || type === 'flow-error-end' || type === 'byte-order-mark';
