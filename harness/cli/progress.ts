import type { CliIo } from './io.ts';

/**
 * Progress on standard error: one line that rewrites itself on a terminal, else a line for each quarter, and nothing at
 * all in the first second.
 */
export function progressLine(io: CliIo, quiet: boolean): { update: (share: number) => void; end: () => void } {
  const beganMs = io.nowMs();
  let shownPct = -1;
  let shownMs = beganMs;
  const update = (share: number): void => {
    const nowMs = io.nowMs();
    const pct = Math.floor(share * 100);
    if (quiet || nowMs - beganMs < 1000 || pct <= shownPct) return;
    if (io.interactive && nowMs - shownMs > 100) io.err(`\rsimulated ${pct} %`);
    else if (!io.interactive && Math.floor(pct / 25) > Math.floor(Math.max(0, shownPct) / 25))
      io.err(`simulated ${pct} %\n`);
    else return;
    shownPct = pct;
    shownMs = nowMs;
  };
  const end = (): void => {
    if (io.interactive && shownPct >= 0) io.err('\r                    \r');
  };
  return { update, end };
}
