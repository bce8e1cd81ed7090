// All that ever moved, with filters that live in the address.
import { html, useState } from "./html.js";
import { call, get, withQuery } from "./api.js";
import { change, number, Time, today } from "./format.js";
import { href, setQuery } from "./router.js";
import { Empty, Field, Head, Pager, say, Skeleton, Table, Trouble, useLoad } from "./ui.js";
import { happened, tone, TYPES, who, why } from "./words.js";

const PAGE = 50;
const NAMES = ["user", "type", "actor", "day", "minAmount", "maxAmount"];

const COLUMNS = [
  { label: "When", cls: "when", cell: (entry) => html`<${Time} at=${entry.timestamp} />` },
  { label: "What", cls: "main", cell: (entry) => html`<a href=${href("users", entry.userId, { entry: entry.seq })}>${happened(entry)}</a>
    ${why(entry) && html`<span class="why">“${why(entry)}”</span>`}` },
  { label: "User", cls: "who", cell: (entry) => html`<a class="id" href=${href("users", entry.userId)}>${entry.userId}</a>` },
  { label: "By", cls: "by", cell: (entry) => html`<span title=${[entry.actor, entry.address].filter(Boolean).join(" from ")}>${who(entry.actor)}</span>` },
  { label: "Change", cls: "num strong", cell: (entry) => html`<span class=${tone(entry)}>${entry.amount ? change(entry.amount) : "±0"}</span>` },
  { label: "Balance", cls: "num", cell: (entry) => number(entry.balanceAfter) },
];

export function Transactions({ query }) {
  const wanted = Object.fromEntries(NAMES.map((name) => [name, query[name]]));
  const page = useLoad(
    (signal) => get("/admin/transactions", { ...wanted, cursor: query.cursor, limit: PAGE }, { signal }),
    [...Object.values(wanted), query.cursor],
  );
  const found = page.found?.transactions;
  const isFiltered = NAMES.some((name) => query[name]);
  return html`<${Head} title="Transactions"><${Csv} wanted=${wanted} /><//>
    <${Filters} key=${JSON.stringify(wanted)} wanted=${wanted} isFiltered=${isFiltered} />
    ${page.failure && !page.loading && html`<${Trouble} failure=${page.failure} retry=${page.reload} />`}
    ${!found && page.loading && html`<${Skeleton} rows=${10} label="Loading transactions" />`}
    ${found && !page.failure && (found.length ? html`
      <${Table} caption="Transactions, newest first" columns=${COLUMNS} rows=${found} rowKey=${(entry) => entry.id} busy=${page.loading} />`
      : html`<${Empty} title=${page.found.nextCursor ? "Nothing among the newest" : isFiltered ? "Nothing matches these filters" : "Nothing has moved yet"}>
          ${page.found.nextCursor ? "There are older ones to look through." : isFiltered ? html`<button class="link" onClick=${clear}>Show everything</button>` : "The first credit makes the first line."}<//>`)}
    ${found && !page.failure && html`<${Pager} cursor=${query.cursor} next=${page.found.nextCursor} count=${found.length} noun=${found.length === 1 ? "transaction" : "transactions"} />`}`;
}

const clear = () => setQuery(Object.fromEntries(NAMES.map((name) => [name, ""])));

// On a phone the filters are folded away until one asks for them.
function Filters({ wanted, isFiltered }) {
  const [open, setOpen] = useState(false);
  const count = NAMES.filter((name) => wanted[name]).length;
  const apply = (event) => {
    event.preventDefault();
    const given = new FormData(event.currentTarget);
    setQuery(Object.fromEntries(NAMES.map((name) => [name, String(given.get(name) || "").trim()])));
  };
  const text = (name, label, attributes) => html`<${Field} label=${label}>${(given) => html`<input ...${given} name=${name} value=${wanted[name] || ""} autocomplete="off" ...${attributes} />`}<//>`;
  const types = wanted.type && !TYPES[wanted.type] ? { ...TYPES, [wanted.type]: wanted.type } : TYPES;
  return html`<button class="filters-toggle" aria-expanded=${open ? "true" : "false"} aria-controls="filters" onClick=${() => setOpen(!open)}>${count ? `Filters (${count})` : "Filters"}</button>
  <form id="filters" class=${open ? "filters" : "filters folded"} aria-label="Filters" onSubmit=${apply}>
    ${text("user", "User", { placeholder: "exact id", maxlength: 128, pattern: "[A-Za-z0-9][A-Za-z0-9._:@+=\\-]*", title: "Letters, digits and . _ : @ + = -" })}
    <${Field} label="Type">${(given) => html`<select ...${given} name="type" value=${wanted.type || ""}><option value="">All</option>
      ${Object.entries(types).map(([value, label]) => html`<option value=${value} key=${value}>${label}</option>`)}</select>`}<//>
    ${text("actor", "By", { placeholder: "operator:anna", maxlength: 160 })}
    ${text("day", "Day (UTC)", { type: "date", max: today() })}
    ${text("minAmount", "From", { inputmode: "numeric", pattern: "[0-9]{1,12}", title: "A whole number" })}
    ${text("maxAmount", "To", { inputmode: "numeric", pattern: "[0-9]{1,12}", title: "A whole number" })}
    <div class="buttons"><button class="primary">Filter</button>${isFiltered && html`<button type="button" onClick=${clear}>Clear</button>`}</div>
  </form>`;
}

// Follows the cursor to the end, as one answer holds 5,000 lines.
async function allLines(wanted, onCount) {
  let lines = [];
  let cursor = "";
  do {
    const answer = await call("GET", withQuery("/admin/transactions", { ...wanted, cursor, format: "csv" }), { text: true });
    const [head, ...rest] = splitLines(await answer.text());
    lines = lines.length ? lines.concat(rest) : [head, ...rest];
    cursor = answer.headers.get("x-next-cursor") || "";
    onCount(lines.length - 1);
  } while (cursor);
  return lines;
}

// Lines of CSV; a line break between quotes belongs to its cell.
function splitLines(text) {
  const lines = [];
  let from = 0;
  let quoted = false;
  for (let at = 0; at < text.length; at += 1) {
    if (text[at] === '"') quoted = !quoted;
    if (text[at] === "\n" && !quoted) {
      lines.push(text.slice(from, at + 1));
      from = at + 1;
    }
  }
  return from < text.length ? [...lines, text.slice(from)] : lines;
}

function Csv({ wanted }) {
  const [count, setCount] = useState(null);
  const download = async () => {
    setCount(0);
    try {
      const lines = await allLines(wanted, setCount);
      const link = document.createElement("a");
      link.href = URL.createObjectURL(new Blob(["\ufeff", ...lines], { type: "text/csv" }));
      link.download = `transactions-${wanted.day || today()}.csv`;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 60000);
      say(`${number(lines.length - 1)} transactions are in the file.`);
    } catch (failure) {
      if (failure.code !== "session_ended") say(`The file could not be made. ${failure.message}`, { tone: "bad" });
    }
    setCount(null);
  };
  return html`<button disabled=${count !== null} onClick=${download}>${count === null ? "Download CSV" : `${number(count)} lines…`}</button>`;
}
