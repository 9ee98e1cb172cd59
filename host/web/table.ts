// Tables and lists of facts in the page.

import type { Fact } from "../report/labelled.js";

export interface Column<Row> {
  readonly head: string;
  readonly number?: true;
  readonly cell: (row: Row) => string;
}

/** Each cell also carries its column's head: on a narrow page, where a row stands as a list, it is shown beside it. */
export function table<Row>(caption: string, columns: readonly Column<Row>[], rows: readonly Row[]): HTMLTableElement {
  const made = document.createElement("table");
  made.createCaption().textContent = caption;
  const head = made.createTHead().insertRow();
  for (const column of columns) {
    const cell = document.createElement("th");
    cell.scope = "col";
    head.append(filled(cell, column, column.head));
  }
  const body = made.createTBody();
  for (const row of rows) {
    const line = body.insertRow();
    for (const column of columns) filled(line.insertCell(), column, column.cell(row)).dataset.head = column.head;
  }
  return made;
}

function filled<Row>(cell: HTMLTableCellElement, column: Column<Row>, text: string): HTMLTableCellElement {
  cell.textContent = text;
  if (column.number) cell.className = "number";
  return cell;
}

export function list(facts: readonly Fact[]): HTMLDListElement {
  const made = document.createElement("dl");
  for (const [label, text] of facts) made.append(element("dt", label), element("dd", text));
  return made;
}

export function element<Tag extends keyof HTMLElementTagNameMap>(tag: Tag, text: string): HTMLElementTagNameMap[Tag] {
  const made = document.createElement(tag);
  made.textContent = text;
  return made;
}
