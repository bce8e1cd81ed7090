// Who did what, and who was refused what.
import { html } from "./html.js";
import { get } from "./api.js";
import { Time, today } from "./format.js";
import { href, setQuery } from "./router.js";
import { Badge, Empty, Field, Head, Pager, Skeleton, Table, Trouble, useLoad } from "./ui.js";
import { did, who } from "./words.js";

const PAGE = 50;
const isUser = (id) => !/^(operator|pk|key)[:_]/.test(id);

const COLUMNS = [
  { label: "When", cls: "when", cell: (record) => html`<${Time} at=${record.timestamp} />` },
  { label: "Who", cls: "by", cell: (record) => html`<span title=${record.actor}>${who(record.actor)}</span>` },
  { label: "What", cls: "main", cell: (record) => html`${did(record.action)} ${record.reason && html`<span class="why">“${record.reason}”</span>`}` },
  { label: "About", cls: "who", cell: (record) => (isUser(record.userId) ? html`<a class="id" href=${href("users", record.userId)}>${record.userId}</a>`
    : html`<a class="id" href=${href("audit", "", { user: record.userId })}>${record.userId}</a>`) },
  { label: "Outcome", cell: (record) => html`<${Badge} tone=${record.ok ? "good" : "bad"}>${record.ok ? "done" : (record.code || "refused").replaceAll("_", " ")}<//>` },
  { label: "From", cls: "from", cell: (record) => html`<span title=${record.userAgent}>${record.address || "–"}</span>` },
];

export function Audit({ query }) {
  const user = query.user || "";
  const day = user ? "" : query.day || today();
  const page = useLoad((signal) => get("/admin/audit", { user, day, cursor: query.cursor, limit: PAGE }, { signal }), [user, day, query.cursor]);
  const found = page.found?.records;
  const apply = (event) => {
    event.preventDefault();
    const given = new FormData(event.currentTarget);
    const named = String(given.get("user") || "").trim();
    setQuery({ user: named, day: named ? "" : given.get("day") });
  };
  return html`<${Head} title="Audit" sub="Refusals, tokens, log-ins, and what operators did." />
    <form class="filters audit" aria-label="Filters" key=${`${user}/${day}`} onSubmit=${apply}>
      <${Field} label="Day (UTC)">${(given) => html`<input ...${given} type="date" name="day" max=${today()} value=${day} />`}<//>
      <${Field} label="or everything about">${(given) => html`<input ...${given} name="user" maxlength="128" placeholder="user id or operator:anna" autocomplete="off" value=${user} />`}<//>
      <div class="buttons"><button class="primary">Show</button>${user && html`<button type="button" onClick=${() => setQuery({ user: "", day: "" })}>Today</button>`}</div>
    </form>
    ${page.failure && !page.loading && html`<${Trouble} failure=${page.failure} retry=${page.reload} />`}
    ${!found && page.loading && html`<${Skeleton} rows=${10} label="Loading the audit" />`}
    ${found && !page.failure && (found.length ? html`<${Table} caption="Audit records, newest first" columns=${COLUMNS} rows=${found} rowKey=${(record) => record.key} busy=${page.loading} />
      <${Pager} cursor=${query.cursor} next=${page.found.nextCursor} count=${found.length} noun=${found.length === 1 ? "record" : "records"} />`
      : html`<${Empty} title=${user ? `Nothing is kept about ${user}` : `Nothing was refused or done on ${day}`}>Records pass after the deployment's days; the ledger never does.<//>`)}`;
}
