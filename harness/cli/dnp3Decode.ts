import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { inputError, show } from '../../src/domain/errors.ts';
import { type ApplicationLayer, LayerDecoder, type Layers, type ObjectLayer } from './dnp3Layers.ts';
import { isPcap, readPcap, tcpStreams } from './dnp3Pcap.ts';
import type { CliIo, GlobalOptions } from './io.ts';

/** `vpp dnp3 decode`: a capture or a hex string as layers, in words or as one JSON line a frame. */
const VALUES_SHOWN = 20;

export function decodeCommand(io: CliIo, word: string, flags: GlobalOptions): number {
  const decoder = new LayerDecoder();
  const path = resolve(io.cwd, word);
  const isFile = existsSync(path);
  const bytes = isFile ? readFileSync(path) : null;
  const say = (layers: readonly Layers[]): void => {
    for (const l of layers) io.out(flags.json === true ? `${JSON.stringify(l)}\n` : layerText(l));
  };
  let note = '';
  if (bytes !== null && isPcap(bytes)) {
    const streams = tcpStreams(readPcap(bytes, word));
    for (const chunk of streams.chunks) say(decoder.push(chunk));
    const over = Object.entries(streams.passedOver).map(([why, n]) => `, ${n} packets passed over (${why})`);
    note = `${streams.missing > 0 ? `, ${streams.missing} octets missing in the capture` : ''}${over.join('')}`;
  } else {
    const octets = hexOctets(bytes === null ? word : bytes.toString('latin1'), word, isFile);
    const layers = decoder.push({ number: 0, atUs: 0, from: '', to: '', octets });
    const alone = layers.length === 0 && !startsFrame(octets) ? decoder.fragment(octets) : null;
    say(layers);
    if (alone !== null) io.out(flags.json === true ? `${JSON.stringify(alone)}\n` : applicationText(alone).join(''));
  }
  const { frames, fragments, badCrc, unreadable, skipped } = decoder.counts;
  if (flags.quiet !== true) {
    io.err(
      `${frames} frames, ${fragments} fragments, ${badCrc} bad CRC, ${unreadable} with objects that cannot be read, ` +
        `${skipped} octets outside of frames${note}\n`,
    );
  }
  return frames + fragments > 0 ? 0 : 1;
}

const startsFrame = (octets: Uint8Array): boolean => octets[0] === 0x05 && octets[1] === 0x64;

/** Octets of hex digits; blanks, colons, commas and 0x are passed over. @throws InputError for anything else */
function hexOctets(text: string, source: string, isFile: boolean): Uint8Array {
  const digits = text.replaceAll(/0x|[\s:,-]/gi, '');
  const wrong = /[^0-9a-f]/i.exec(digits)?.[0];
  if (wrong === undefined && digits.length > 0 && digits.length % 2 === 0)
    return Uint8Array.from(Buffer.from(digits, 'hex'));
  const value = wrong === undefined ? `${digits.length} hex digits` : show(isFile ? wrong : text);
  throw inputError({
    source: isFile ? source : 'vpp dnp3 decode',
    place: isFile ? 'its text' : '<file.pcap|hex>',
    value,
    expected: isFile
      ? 'a classic capture file or pairs of hex digits'
      : 'an existing capture file or pairs of hex digits',
  });
}

function layerText(l: Layers): string {
  const { link, transport, application } = l;
  const time =
    l.atUs === 0
      ? ''
      : `${new Date(Math.floor(l.atUs / 1000)).toISOString().slice(0, -1)}${String(l.atUs % 1000).padStart(3, '0')}Z `;
  const where = l.from === '' ? '' : `#${l.packet} ${time}${l.from} > ${l.to}\n`;
  const direction = `${link.fromMaster ? 'master' : 'outstation'} ${link.source} to ${link.destination}${link.broadcast ? ' (broadcast)' : ''}`;
  const lines = [
    where,
    `  link         ${direction}, ${link.primary ? 'primary' : 'secondary'}: ${link.functionName}, ${link.octets} octets\n`,
  ];
  if (transport !== undefined) {
    const marks = [transport.fir ? 'FIR' : '', transport.fin ? 'FIN' : ''].filter((m) => m !== '').join(' ');
    lines.push(`  transport    sequence ${transport.sequence}${marks === '' ? '' : ` ${marks}`}\n`);
  }
  if (application !== undefined) lines.push(...applicationText(application));
  return lines.join('');
}

function applicationText(a: ApplicationLayer): string[] {
  const marks = (['fir', 'fin', 'con', 'uns'] as const).filter((m) => a[m]).map((m) => m.toUpperCase());
  const iin =
    a.iin === undefined ? '' : `, IIN ${a.iin.hex}${a.iin.names.length === 0 ? '' : ` (${a.iin.names.join(', ')})`}`;
  const lines = [
    `  application  ${a.functionName}, sequence ${a.sequence} ${marks.join(' ')}, ${a.octets} octets${iin}\n`,
  ];
  for (const o of a.objects) lines.push(...objectText(o));
  if (a.problem !== undefined) lines.push(`    cannot be read: ${a.problem.why}: ${a.problem.hex}\n`);
  return lines;
}

function objectText(o: ObjectLayer): string[] {
  const head = `    g${o.group}v${o.variation} ${o.role}, qualifier ${o.qualifier.toString(16).padStart(2, '0')}, ${o.range}\n`;
  const shown = o.values.slice(0, VALUES_SHOWN).map((v) => `      ${valueText(v)}\n`);
  const more = o.values.length - VALUES_SHOWN;
  return [head, ...shown, ...(more > 0 ? [`      … ${more} more (all of them with --json)\n`] : [])];
}

function valueText({ index, ...rest }: ObjectLayer['values'][number]): string {
  const parts = Object.entries(rest).map(([name, x]) => {
    if (name === 'value') return String(x);
    return Array.isArray(x) ? x.join(' ') : `${name} ${x}`;
  });
  return `[${index}] ${parts.join(' ')}`;
}
