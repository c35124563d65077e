/**
 * Text from outside (names, details, paths) in other languages. Characters that XML 1.0 does not allow, and lone
 * surrogates, become U+FFFD in both: a report must open whatever a device is called.
 * @source XML 1.0 (5th edition) 2.2 Char
 */
const NOT_XML = /[^\t\n\r\u{20}-\u{D7FF}\u{E000}-\u{FFFD}\u{10000}-\u{10FFFF}]/gu;

const ENTITY: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** For element content and quoted attributes, in HTML and XML alike. */
export const escapeMarkup = (text: string): string =>
  text.replace(NOT_XML, '\uFFFD').replace(/[&<>"']/g, (ch) => ENTITY[ch] ?? ch);

/** JSON that may stand in a script element: no "<" can end it, no line separator can break it. */
export const escapeScriptJson = (value: unknown): string =>
  JSON.stringify(value).replace(/[<>&\u2028\u2029]/g, (ch) => `\\u${ch.charCodeAt(0).toString(16).padStart(4, '0')}`);
