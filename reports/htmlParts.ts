import { escapeMarkup } from './escape.ts';

/** Markup that is safe to insert. Made only by `html`, which escapes every string put into it. */
export interface Html {
  readonly markup: string;
}

export type HtmlValue = Html | string | number | null | readonly HtmlValue[];

/** Template tag: strings and numbers are escaped, Html and lists of it are inserted as they are, null is nothing. */
export function html(parts: TemplateStringsArray, ...values: readonly HtmlValue[]): Html {
  return { markup: parts.reduce((out, part, i) => out + markupOf(values[i - 1] ?? null) + part) };
}

/** A number keeps its unit on its line. */
const UNIT = /(\d) (kWh|MWh|kW|MW|%)/g;

function markupOf(value: HtmlValue): string {
  if (value === null) return '';
  if (typeof value === 'string') return escapeMarkup(value).replace(UNIT, '$1\u00a0$2');
  if (typeof value === 'number') return String(value);
  if (isHtml(value)) return value.markup;
  return value.map(markupOf).join('');
}

const isHtml = (value: Html | readonly HtmlValue[]): value is Html => 'markup' in value;

/** A cell with what it sorts by; numbers stand to the right. */
export interface Cell {
  readonly show: HtmlValue;
  readonly sort?: number | string;
}

export interface Column {
  readonly label: string;
  readonly numeric?: boolean;
}

export interface TableSpec {
  readonly caption: string;
  readonly columns: readonly Column[];
  readonly rows: readonly (readonly Cell[])[];
  /** Column heads become buttons that sort, and a field filters the rows by any text in them. */
  readonly interactive?: boolean;
  /** On narrow screens each row becomes a block with its labels. */
  readonly stack?: boolean;
  /** A last row of sums. */
  readonly foot?: readonly Cell[];
  readonly empty?: string;
}

/** A table in a box that scrolls by itself on narrow screens. The first column names the row. */
export function table(t: TableSpec): Html {
  if (t.rows.length === 0) return html`<p class="none">${t.empty ?? 'None.'}</p>`;
  const kind = (i: number): string => (t.columns[i]?.numeric === true ? 'num' : '');
  const head = t.columns.map((c, i) => {
    const label = t.interactive === true ? html`<button type="button">${c.label}</button>` : c.label;
    return html`<th scope="col" class="${kind(i)}">${label}</th>`;
  });
  const cell = (c: Cell, i: number): Html => {
    const sort = c.sort === undefined ? null : html` data-sort="${c.sort}"`;
    return i === 0
      ? html`<th scope="row"${sort}>${c.show}</th>`
      : html`<td class="${kind(i)}" data-label="${t.columns[i]?.label ?? ''}"${sort}>${c.show}</td>`;
  };
  const row = (cells: readonly Cell[]): Html => html`<tr>${cells.map(cell)}</tr>`;
  const foot = t.foot === undefined ? null : html`<tfoot>${row(t.foot)}</tfoot>`;
  const filter =
    t.interactive === true
      ? html`<label class="filter">Find <input type="search" placeholder="a device, a group, a reason" autocomplete="off"></label>`
      : null;
  const mark = t.interactive === true ? html` data-interactive` : null;
  return html`<div class="${t.stack === true ? 'stack' : ''}"${mark}><p class="cap" aria-hidden="true">${t.caption}</p>${filter}<div class="scroll" tabindex="0" role="region" aria-label="${t.caption}">
<table aria-label="${t.caption}"><thead><tr>${head}</tr></thead><tbody>${t.rows.map(row)}</tbody>${foot}</table></div></div>`;
}

export const text = (show: HtmlValue): Cell => ({ show });
export const figure = (value: number | null, show: string): Cell => ({
  show,
  sort: value ?? Number.NEGATIVE_INFINITY,
});

export const section = (id: string, heading: string, ...body: readonly HtmlValue[]): Html =>
  html`<section id="${id}"><h2>${heading}</h2>${body}</section>`;

export const chartBox = (id: string, label: string): Html =>
  html`<figure class="chart" id="${id}" role="img" aria-label="${label}"><noscript>The chart needs scripts; its figures stand in the table.</noscript></figure>`;
