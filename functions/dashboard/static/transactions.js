export default ($all) => {
const { $api, $filters, $format, $html, $loading, $router, $ui, $words } = $all;
const $transactions = $all.$transactions = (() => {
const { html, useState } = $html;
const { call, get, withQuery } = $api;
const { Alike, DayFields, daysOf, Filters, UserField, userOf } = $filters;
const { change, number, Time, today, zone } = $format;
const { useLoad } = $loading;
const { href, setQuery } = $router;
const { Empty, Field, Head, Pager, Quoted, ReadState, say, Skeleton, Table } = $ui;
const { actorOf, happened, tone, TYPES, who, why } = $words;

const PAGE = 50;
const NAMES = ["user", "type", "product", "actor", "fromDay", "toDay", "minAmount", "maxAmount"];

const columns = () => [
  { label: `When (${zone()})`, cls: "when", cell: (entry) => html`<${Time} at=${entry.timestamp} />` },
  { label: "What", cls: "main", cell: (entry) => html`<a href=${href("users", entry.userId, { entry: entry.seq })}>${happened(entry)}</a>
    ${why(entry) && html`<${Quoted}>${why(entry)}<//>`}` },
  { label: "User", cls: "who", cell: (entry) => html`<a class="id" href=${href("users", entry.userId)}>${entry.userId}</a>` },
  { label: "By", cls: "by", cell: (entry) => html`<span title=${[entry.actor, entry.address].filter(Boolean).join(" from ")}>${who(entry.actor)}</span>` },
  { label: "Change", cls: "num strong", cell: (entry) => html`<span class=${tone(entry)}>${change(entry.amount)}</span>` },
  { label: "Balance", cls: "num", cell: (entry) => html`${number(entry.balanceAfter)}${entry.owedAfter ? html` <span class="why">owed ${number(entry.owedAfter)}</span>` : ""}` },
];

function Transactions({ query }) {
  const wanted = { ...Object.fromEntries(NAMES.map((name) => [name, query[name] || ""])), ...daysOf(query) };
  const page = useLoad(
    (signal) => get("/admin/transactions", { ...wanted, cursor: query.cursor, limit: PAGE }, { signal }),
    [wanted, query.cursor],
  );
  const found = page.found?.transactions;
  const isFiltered = NAMES.some((name) => wanted[name]);
  return html`<${Head} title="Transactions" page=${page}><${Csv} wanted=${wanted} /><//>
    <${Wanted} key=${JSON.stringify(wanted)} wanted=${wanted} isFiltered=${isFiltered} />
    <${ReadState} page=${page} />
    ${!found && !page.failure && html`<${Skeleton} rows=${10} label="Loading transactions" />`}
    ${found && (found.length ? html`
      <${Table} caption="Transactions, newest first" columns=${columns()} rows=${found} rowKey=${(entry) => entry.id} busy=${page.loading} />`
      : html`<${Nothing} next=${page.found.nextCursor} isFiltered=${isFiltered} user=${wanted.user} />`)}
    ${found && html`<${Pager} cursor=${query.cursor} next=${page.found.nextCursor} count=${found.length} noun=${found.length === 1 ? "transaction" : "transactions"} />`}`;
}

const clear = () => setQuery({ ...Object.fromEntries(NAMES.map((name) => [name, ""])), day: "" });

function Nothing({ next, isFiltered, user }) {
  if (next) return html`<${Empty} title="No match among the entries searched so far">There are older ones to search: go on with Next.<//>`;
  if (!isFiltered) return html`<${Empty} title="There is no transaction yet">The first credit makes the first line.<//>`;
  return html`<${Empty} title="Nothing matches these filters"><${Alike} prefix=${user} /> <button class="link" onClick=${clear}>Show everything</button><//>`;
}

function Wanted({ wanted, isFiltered }) {
  const apply = async (given) => setQuery({ ...given, day: "", user: await userOf(given.user), actor: actorOf(given.actor) });
  const text = (name, label, attributes) => html`<${Field} label=${label}>${(given) => html`<input ...${given} name=${name} defaultValue=${wanted[name]} autocomplete="off" ...${attributes} />`}<//>`;
  const whole = { inputmode: "numeric", pattern: "[0-9]{1,12}", title: "A whole number" };
  const types = wanted.type && !TYPES[wanted.type] ? { ...TYPES, [wanted.type]: wanted.type } : TYPES;
  return html`<${Filters} count=${NAMES.filter((name) => wanted[name]).length} apply=${apply}>
    <${UserField} label="User" name="user" value=${wanted.user} placeholder="id begins with…" />
    <${Field} label="Type">${(given) => html`<select ...${given} name="type"><option value="">All</option>
      ${Object.entries(types).map(([value, label]) => html`<option value=${value} selected=${value === wanted.type} key=${value}>${label}</option>`)}</select>`}<//>
    ${text("product", "Product", { placeholder: "transcript", maxlength: 32, pattern: "[a-z][a-z0-9_]*", title: "The code of a product", autocapitalize: "none" })}
    ${text("actor", "By", { placeholder: "anna or webhook:payment", maxlength: 160 })}
    <${DayFields} fromDay=${wanted.fromDay} toDay=${wanted.toDay} />
    ${text("minAmount", "Amount from", whole)}
    ${text("maxAmount", "Amount to", whole)}
    <div class="buttons"><button class="primary">Filter</button>${isFiltered && html`<button type="button" onClick=${clear}>Clear</button>`}</div>
  <//>`;
}

async function allLines(wanted, onCount) {
  let lines = [];
  let cursor = "";
  do {
    const answer = await call("GET", withQuery("/admin/transactions", { ...wanted, cursor, format: "csv" }), { text: true });
    const [head, ...rest] = splitLines(answer.text);
    lines = lines.length ? lines.concat(rest) : [head, ...rest];
    cursor = answer.headers.get("x-next-cursor") || "";
    onCount(lines.length - 1);
  } while (cursor);
  return lines;
}

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
      link.download = `transactions-${wanted.toDay || today()}.csv`;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 60000);
      say(`${number(lines.length - 1)} transactions are in the file.`);
    } catch (failure) {
      if (!failure.loggedOut) say(`The file could not be created. ${failure.message}`, { tone: "bad" });
    }
    setCount(null);
  };
  return html`<button disabled=${count !== null} onClick=${download}>${count === null ? "Download CSV" : `${number(count)} lines…`}</button>`;
}
return { Transactions: Transactions };
})();
};
