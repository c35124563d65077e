/**
 * What a broken server, proxy or captive portal puts where JSON was promised. Each keeps a different assumption of a
 * client from holding: that the body parses, that it is whole, that it is an object, that its fields have their types.
 */
const GARBAGE: readonly ((body: string) => string)[] = [
  // Cut off, as by a closed connection.
  (body) => body.slice(0, Math.floor(body.length / 2)),
  () => '',
  () =>
    '<html><head><title>502 Bad Gateway</title></head><body><center><h1>502 Bad Gateway</h1></center></body></html>',
  () => 'null',
  () => '[]',
  () => '{}',
  () => '"ok"',
  // Every text becomes a number, every number a text: it parses and has the right names.
  (body) => body.replace(/:"[^"]*"/g, ':0').replace(/:(-?\d+(?:\.\d+)?)/g, ':"$1x"'),
  (body) => `${body}${body}`,
  () => '{"a":'.repeat(2000),
];

/**
 * @param kind  which garbage, uniform in [0, 1)
 * @returns     a body in place of the given one; never equal to it unless it was garbage of that kind already
 */
export function garble(body: string, kind: number): string {
  const make = GARBAGE[Math.floor(kind * GARBAGE.length)];
  return make === undefined ? '' : make(body);
}
