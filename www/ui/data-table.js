// @ts-check
// A table of numbers: sortable by its headings, paged when long, its rows choosable where that makes sense.

import { fill, h } from "./dom.js";
import { count, number, visible } from "./format.js";

/** @typedef {string | number | null | undefined} Cell */
/**
 * A column. Numbers are right-aligned and shown with `format`; texts of tokens show what is invisible in them.
 * @typedef {{key: string, label: string, kind?: "number" | "text" | "token" | "prose", format?: (x: number, row: Row) => string}} Column
 */
/** @typedef {Record<string, Cell>} Row */
/**
 * @typedef {{
 *   caption: string, columns: Column[], rows: Row[], pageSize?: number, sortable?: boolean,
 *   choose?: {key: string, label(row: Row): string, chosen: Cell, on(row: Row): void},
 * }} Table
 */

export class DataTable extends HTMLElement {
  #caption = h("caption");
  #head = h("tr");
  #body = h("tbody");
  #box = h("div", { class: "table-box", role: "group" }, h("table", {}, this.#caption, h("thead", {}, this.#head), this.#body));
  #pager = h("div", { class: "pager", hidden: true });
  #page = 0;
  /** @type {{key: string, direction: 1 | -1} | null} */ #sort = null;
  /** @type {Table | null} */ #table = null;
  #headings = "";

  connectedCallback() {
    if (this.#box.isConnected) return;
    this.append(this.#box, this.#pager);
    // a box that scrolls must be reachable with the keyboard
    new ResizeObserver(() => {
      if (this.#box.scrollWidth > this.#box.clientWidth + 1) this.#box.tabIndex = 0;
      else this.#box.removeAttribute("tabindex");
    }).observe(this.#box);
  }

  /** @param {Table} table */
  show(table) {
    this.#table = table;
    if (this.#caption.textContent !== table.caption) this.#caption.textContent = table.caption;
    this.#box.setAttribute("aria-label", table.caption);
    const headings = JSON.stringify(table.columns.map(({ key, label }) => [key, label]));
    if (headings !== this.#headings) {
      this.#headings = headings;
      this.#sort = null;
      fill(
        this.#head,
        table.columns.map((column) => this.#heading(column, table.sortable ?? false)),
      );
    }
    this.#fillRows();
  }

  /** @param {Column} column @param {boolean} sortable */
  #heading(column, sortable) {
    if (!column.label) return h("td"); // a heading without words names nothing
    const cell = h("th", { scope: "col", class: column.kind === "number" ? "number" : "" });
    if (!sortable) {
      cell.append(column.label);
      return cell;
    }
    cell.append(
      h(
        "button",
        {
          type: "button",
          class: "sort",
          on: {
            click: () => {
              const first = column.kind === "number" ? -1 : 1;
              const again = this.#sort?.key === column.key;
              this.#sort = {
                key: column.key,
                direction: again ? /** @type {1 | -1} */ (-(/** @type {any} */ (this.#sort).direction)) : first,
              };
              this.#page = 0;
              for (const other of this.#head.children) other.removeAttribute("aria-sort");
              cell.setAttribute("aria-sort", this.#sort.direction === 1 ? "ascending" : "descending");
              this.#fillRows();
            },
          },
        },
        column.label,
      ),
    );
    return cell;
  }

  #sorted() {
    const rows = this.#table?.rows ?? [];
    if (!this.#sort) return rows;
    const { key, direction } = this.#sort;
    return rows.toSorted((a, b) => {
      const x = a[key],
        y = b[key];
      return direction * (typeof x === "number" && typeof y === "number" ? x - y : String(x ?? "").localeCompare(String(y ?? "")));
    });
  }

  #fillRows() {
    const table = this.#table;
    if (!table) return;
    const size = table.pageSize ?? 50;
    const rows = this.#sorted();
    const pages = Math.max(1, Math.ceil(rows.length / size));
    this.#page = Math.min(this.#page, pages - 1);
    const shown = rows.slice(this.#page * size, (this.#page + 1) * size);
    const focused =
      document.activeElement instanceof HTMLElement && this.#body.contains(document.activeElement)
        ? document.activeElement.dataset.row
        : undefined;
    fill(
      this.#body,
      shown.map((row) => this.#row(table, row)),
    );
    if (focused !== undefined)
      /** @type {HTMLElement | undefined} */ ([...this.#body.querySelectorAll("button")].find((b) => b.dataset.row === focused))?.focus();
    this.#showPager(pages, rows.length, size);
  }

  /** @param {Table} table @param {Row} row */
  #row(table, row) {
    const { choose } = table;
    const chosen = choose !== undefined && row[choose.key] === choose.chosen;
    const line = h("tr", { class: [choose ? "choosable" : "", chosen ? "chosen" : ""].join(" ").trim() });
    for (const column of table.columns) {
      const cell = h("td", { class: column.kind ?? "" });
      if (choose && column.key === choose.key) {
        cell.append(
          h(
            "button",
            { type: "button", class: "choose", "aria-pressed": String(chosen), "data-row": String(row[choose.key]) },
            choose.label(row),
          ),
        );
      } else cell.append(shownCell(column, row));
      line.append(cell);
    }
    if (choose) line.addEventListener("click", () => choose.on(row));
    return line;
  }

  /** @param {number} pages @param {number} total @param {number} size */
  #showPager(pages, total, size) {
    this.#pager.hidden = pages <= 1;
    if (pages <= 1) return;
    if (!this.#pager.childElementCount) {
      const turn = (/** @type {number} */ by) => () => {
        this.#page += by;
        this.#fillRows();
      };
      fill(
        this.#pager,
        h("button", { type: "button", name: "page-back", on: { click: turn(-1) } }, "Previous"),
        h("span"),
        h("button", { type: "button", name: "page-on", on: { click: turn(1) } }, "Next"),
      );
    }
    const [back, where, on] = this.#pager.children;
    back.toggleAttribute("disabled", this.#page === 0);
    on.toggleAttribute("disabled", this.#page === pages - 1);
    where.textContent = `rows ${count(this.#page * size + 1)}–${count(Math.min((this.#page + 1) * size, total))} of ${count(total)}`;
  }
}

/** @param {Column} column @param {Row} row */
function shownCell(column, row) {
  const value = row[column.key];
  if (typeof value === "number") return (column.format ?? number)(value, row);
  return column.kind === "token" ? visible(value ?? "") : (value ?? "–");
}

customElements.define("data-table", DataTable);
