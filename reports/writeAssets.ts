import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

/** Files of packages that a report carries in itself or draws with. */
const require = createRequire(import.meta.url);

export interface HtmlAssets {
  /** uPlot 1.6 as a script that defines the global `uPlot` (MIT licence). */
  readonly plotScript: string;
  readonly plotStyle: string;
}

export function readHtmlAssets(): HtmlAssets {
  return {
    plotScript: readFileSync(require.resolve('uplot/dist/uPlot.iife.min.js'), 'utf8'),
    plotStyle: readFileSync(require.resolve('uplot/dist/uPlot.min.css'), 'utf8'),
  };
}

/** DejaVu Sans, regular and bold: a machine without fonts draws charts without any text, in silence. */
export function fontFiles(): { readonly regular: string; readonly bold: string } {
  return {
    regular: require.resolve('dejavu-fonts-ttf/ttf/DejaVuSans.ttf'),
    bold: require.resolve('dejavu-fonts-ttf/ttf/DejaVuSans-Bold.ttf'),
  };
}
