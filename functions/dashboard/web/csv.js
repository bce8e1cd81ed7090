// Files of CSV for spreadsheets, without a formula in them (OWASP, CSV injection): the rule of engine.web.csv_cells.
import { html, useState } from "./html.js";
import { number, today } from "./format.js";
import { say } from "./ui.js";

const STARTS = new Set(["=", "+", "-", "@", "\u2212"]);
const SEPARATORS = new Set([",", ";", "|", "\t", "\r", "\n", "\v", "\f", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029"]);
const SKIPPED = /^["'\s\p{C}\p{Z}]$/u;
const MOST_ROWS = 20000;

// An apostrophe before each character that begins a formula where a spreadsheet may begin a cell.
export function safe(value) {
  let made = /^[\t\r\n]/.test(value) ? "'" : "";
  let atStart = true;
  for (const character of value) {
    const plain = [...character.normalize("NFKC")][0] || character;
    if (atStart && STARTS.has(plain)) made += "'";
    made += character;
    atStart = SEPARATORS.has(character) || SEPARATORS.has(plain) || (atStart && SKIPPED.test(plain));
  }
  return made;
}

function cell(value, made) {
  if (value === null || value === undefined) return "";
  if (typeof value === "number") return String(value);
  const text = made(String(value));
  return /[",;\t\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

// Lines of CSV; for programs, which take a guarded cell as another text, with `String` in place of `safe`.
export const written = (rows, made = safe) => rows.map((row) => `${row.map((value) => cell(value, made)).join(",")}\r\n`).join("");

// Gives the browser a file to keep.
export function save(name, rows) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(["\ufeff", written(rows)], { type: "text/csv" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

// Columns that are members of a row as they are.
export const named = (names) => names.split(" ").map((name) => [name, (row) => row[name]]);

// Downloads a whole list. `columns` are `[heading, value of a row]`; `read(cursor)` answers `{ rows, next }`.
export function ListCsv({ name, columns, read }) {
  const [count, setCount] = useState(null);
  const download = async () => {
    setCount(0);
    try {
      const rows = [];
      let cursor = "";
      do {
        const page = await read(cursor);
        rows.push(...page.rows);
        cursor = page.next;
        setCount(rows.length);
      } while (cursor && rows.length < MOST_ROWS);
      save(`${name}-${today()}.csv`, [columns.map(([head]) => head), ...rows.map((row) => columns.map(([, value]) => value(row)))]);
      say(cursor ? `The first ${number(rows.length)} rows are in the file.` : `${number(rows.length)} ${rows.length === 1 ? "row is" : "rows are"} in the file.`);
    } catch (failure) {
      if (!failure.loggedOut) say(`The file could not be created. ${failure.message}`, { tone: "bad" });
    }
    setCount(null);
  };
  return html`<button disabled=${count !== null} onClick=${download}>${count === null ? "Download CSV" : `${number(count)} rows…`}</button>`;
}
