/** "05 64 c0" -> octets, and back; for tests only. */
export const octets = (hex: string): Uint8Array =>
  Uint8Array.from((hex.replace(/\s+/g, '').match(/../g) ?? []).map((x) => Number.parseInt(x, 16)));

export const hex = (bytes: Uint8Array): string => [...bytes].map((b) => b.toString(16).padStart(2, '0')).join('');
