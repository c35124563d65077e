/**
 * The script of the report, plain ES2020 for a browser: draws the charts with uPlot and makes tables sortable and
 * searchable. The report says everything without it. Kept as text, because it runs in another world than this code.
 */
export const CLIENT = `
(() => {
  'use strict';
  const data = JSON.parse(document.getElementById('plot-data').textContent);
  const dark = matchMedia('(prefers-color-scheme: dark)');
  const paper = matchMedia('print');
  const clock = new Intl.DateTimeFormat('en-GB', { timeZone: data.timeZone, hour: '2-digit', minute: '2-digit' });
  const full = new Intl.DateTimeFormat('en-CA', { timeZone: data.timeZone, year: 'numeric', month: '2-digit',
    day: '2-digit', hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
  const drawn = new Map();
  const lighter = { '#475569': '#cbd5e1', '#0f766e': '#2dd4bf', '#d97706': '#fbbf24', '#7c3aed': '#c4b5fd',
    '#be123c': '#fb7185', '#0369a1': '#38bdf8', '#a21caf': '#e879f9', '#4f46e5': '#a5b4fc', '#64748b': '#cbd5e1' };

  function seriesOf(line, isDark) {
    const color = isDark ? lighter[line.color] || line.color : line.color;
    const s = { label: line.label, stroke: color, width: 2, points: { show: false },
      value: (u, v) => (v === null ? '\\u2013' : String(v)) };
    if (line.onRight) s.scale = 'right';
    if (line.style === 'bar') {
      s.fill = color + 'b0'; s.width = 0;
      s.paths = uPlot.paths.bars({ size: [0.82, 120], align: 1 });
    } else {
      s.paths = uPlot.paths.stepped({ align: 1 });
      if (line.style === 'area') { s.fill = color + '38'; s.width = 1; }
      if (line.style === 'dash') s.dash = [8, 5];
      if (line.style === 'dots') s.dash = [2, 4];
    }
    return s;
  }

  function draw(plot) {
    const box = document.getElementById(plot.id);
    if (!box) return;
    const old = drawn.get(plot.id);
    if (old) old.destroy();
    const isDark = dark.matches && !paper.matches;
    const ink = isDark ? '#a3b1c6' : '#475569';
    const grid = { stroke: isDark ? '#28344a' : '#e2e8f0', width: 1 };
    const colors = [null, ...plot.series.map((l) => seriesOf(l, isDark).stroke)];
    const width = Math.max(260, box.clientWidth);
    const all = plot.series.filter((l) => !l.onRight).flatMap((l) => l.values).filter((v) => v !== null);
    const low = Math.min(0, ...all), high = Math.max(0, ...all), pad = (high - low || 1) * 0.06;
    const range = plot.range || [low < 0 ? low - pad : 0, high + pad];
    const u = new uPlot({
      title: plot.title + ' (' + plot.unit + ')',
      width, height: width < 520 ? 240 : 300,
      scales: { y: { range: () => range }, ...(plot.right ? { right: { range: () => plot.right.range } } : {}) },
      axes: [
        { stroke: ink, grid, ticks: grid, space: 64, values: (u, ticks) => ticks.map((t) => clock.format(t * 1000)) },
        { stroke: ink, grid, ticks: grid, size: 56 },
        ...(plot.right ? [{ scale: 'right', side: 1, stroke: ink, grid: { show: false }, ticks: grid, size: 64,
          values: (u, ticks) => ticks.map((v) => v + ' ' + plot.right.unit) }] : []),
      ],
      tzDate: (t) => uPlot.tzDate(new Date(t * 1000), data.timeZone),
      legend: { markers: { width: 0, fill: (u, i) => colors[i] } },
      series: [
        { label: 'Local time', value: (u, t) => (t === null ? '\\u2013' : full.format(t * 1000).replace(',', '')) },
        ...plot.series.map((l) => seriesOf(l, isDark)),
      ],
    }, [plot.x, ...plot.series.map((l) => l.values)], box);
    drawn.set(plot.id, u);
  }
  const drawAll = () => data.plots.forEach(draw);
  drawAll();
  dark.addEventListener('change', drawAll);
  paper.addEventListener('change', drawAll);
  let width = innerWidth;
  addEventListener('resize', () => { if (innerWidth !== width) { width = innerWidth; drawAll(); } });

  const keyOf = (row, i) => {
    const cell = row.cells[i];
    const raw = cell.dataset.sort === undefined ? cell.textContent.trim() : cell.dataset.sort;
    const n = Number(raw);
    return raw !== '' && !Number.isNaN(n) ? n : raw.toLowerCase();
  };
  const order = (a, b) => (typeof a === typeof b ? (a < b ? -1 : a > b ? 1 : 0) : typeof a === 'number' ? -1 : 1);
  for (const block of document.querySelectorAll('[data-interactive]')) {
    const body = block.querySelector('tbody');
    const heads = [...block.querySelectorAll('thead th')];
    heads.forEach((th, i) => th.querySelector('button').addEventListener('click', () => {
      const up = th.getAttribute('aria-sort') !== 'ascending';
      heads.forEach((h) => h.removeAttribute('aria-sort'));
      th.setAttribute('aria-sort', up ? 'ascending' : 'descending');
      const rows = [...body.rows].map((row) => ({ row, key: keyOf(row, i) }));
      rows.sort((a, b) => (up ? 1 : -1) * order(a.key, b.key));
      body.append(...rows.map((r) => r.row));
    }));
    const input = block.querySelector('input');
    input.addEventListener('input', () => {
      const words = input.value.toLowerCase().split(/\\s+/).filter(Boolean);
      for (const row of body.rows) {
        const text = row.textContent.toLowerCase();
        row.hidden = !words.every((w) => text.includes(w));
      }
    });
  }
})();
`;
