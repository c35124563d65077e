import type { ChartConfiguration } from 'chart.js';
import { ChartJSNodeCanvas } from 'chartjs-node-canvas';
import { CHART_FONT } from './charts.ts';
import { fontFiles } from './writeAssets.ts';

export interface ChartSize {
  readonly width: number;
  readonly height: number;
}

/** A renderer costs 80 ms and memory, so one for each size is kept; more sizes than this would be a mistake. */
const RENDERERS_MAX = 4;
const renderers = new Map<string, ChartJSNodeCanvas>();

function renderer(size: ChartSize): ChartJSNodeCanvas {
  const key = `${size.width}x${size.height}`;
  const known = renderers.get(key);
  if (known !== undefined) return known;
  const made = new ChartJSNodeCanvas({
    width: size.width,
    height: size.height,
    backgroundColour: '#ffffff',
    chartCallback: (Chart) => {
      Chart.defaults.font.family = CHART_FONT;
      Chart.defaults.font.size = 14;
      Chart.defaults.color = '#334155';
    },
  });
  const fonts = fontFiles();
  made.registerFont(fonts.regular, { family: CHART_FONT });
  made.registerFont(fonts.bold, { family: CHART_FONT, weight: 'bold' });
  if (renderers.size >= RENDERERS_MAX) renderers.clear();
  renderers.set(key, made);
  return made;
}

/**
 * Draws a chart.js configuration; the only place that knows what draws it. The asynchronous call lets native memory go
 * between charts.
 * @returns  PNG octets; they differ between versions of the canvas library, so compare data, never octets
 */
export const renderPng = (config: ChartConfiguration, size: ChartSize): Promise<Uint8Array> =>
  renderer(size).renderToBuffer(config, 'image/png');
