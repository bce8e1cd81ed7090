export default ($all) => {
const { $api, $filters, $format, $html, $loading, $router, $ui, $words } = $all;
const $audit = $all.$audit = (() => {
const { html } = $html;
const { get } = $api;
const { DayFields, daysOf, Filters, UserField, userOf } = $filters;
const { Time, today, zone } = $format;
const { useLoad } = $loading;
const { href, setQuery } = $router;
const { Badge, Empty, Field, Head, Pager, Quoted, ReadState, Skeleton, Table } = $ui;
const { did, who } = $words;

const PAGE = 50;
const OUTCOMES = { any: "All", done: "Done", refused: "Refused" };
const isUser = (id) => !/^(operator|pk|key)[:_]/.test(id);

function About({ record }) {
  const id = record.userId;
  if (!isUser(id)) return html`<a class="id" href=${href("audit", "", { user: id })}>${id}</a>`;
  const page = record.action.startsWith("subscription_") || (record.unit && record.unit !== "credits") ? "subscriptions" : "users";
  return html`<a class="id" href=${href(page, id)}>${id}</a>`;
}

function Did({ record }) {
  const text = did(record.action);
  const link = record.seq && record.unit === "credits" ? html`<a href=${href("users", record.userId, { entry: record.seq })}>${text}</a>` : text;
  return html`${link} ${record.reason && html`<${Quoted}>${record.reason}<//>`}`;
}

const columns = () => [
  { label: `When (${zone()})`, cls: "when", cell: (record) => html`<${Time} at=${record.timestamp} />` },
  { label: "Who", cls: "by", cell: (record) => html`<span title=${record.actor}>${who(record.actor)}</span>` },
  { label: "What", cls: "main", cell: (record) => html`<${Did} record=${record} />` },
  { label: "About", cls: "who", cell: (record) => html`<${About} record=${record} />` },
  { label: "Outcome", cell: (record) => html`<${Badge} tone=${record.ok ? "good" : "bad"}>${record.ok ? "done" : (record.code || "refused").replaceAll("_", " ")}<//>` },
  { label: "From", cls: "from", cell: (record) => html`<span title=${record.userAgent}>${record.address || "–"}</span>` },
];

function Audit({ query }) {
  const user = query.user || "";
  const outcome = OUTCOMES[query.outcome] ? query.outcome : "any";
  const given = daysOf(query);
  const days = user || given.fromDay || given.toDay ? given : { fromDay: today(), toDay: today() };
  const page = useLoad((signal) => get("/admin/audit", { user, ...days, outcome, cursor: query.cursor, limit: PAGE }, { signal }), [user, days, outcome, query.cursor]);
  const found = page.found?.records;
  const apply = async (wanted) => setQuery({ day: "", ...wanted, user: await userOf(wanted.user), outcome: wanted.outcome === "any" ? "" : wanted.outcome });
  const clear = () => setQuery({ user: "", day: "", fromDay: "", toDay: "", outcome: "" });
  const isFiltered = user || given.fromDay || given.toDay || outcome !== "any";
  const when = days.fromDay === days.toDay ? `on ${days.fromDay || "any day"}` : `from ${days.fromDay || "the beginning"} to ${days.toDay || "today"}`;
  return html`<${Head} title="Audit" page=${page} sub="Refusals, tokens, log-ins, and what operators did." />
    <${Filters} cls="audit" key=${JSON.stringify([user, days, outcome])} count=${isFiltered ? 1 : 0} apply=${apply}>
      <${UserField} label="About" name="user" value=${user} placeholder="user id or operator:anna" />
      <${DayFields} ...${days} />
      <${Field} label="Outcome">${(field) => html`<select ...${field} name="outcome" value=${outcome}>${Object.entries(OUTCOMES).map(([value, label]) => html`<option value=${value} selected=${value === outcome} key=${value}>${label}</option>`)}</select>`}<//>
      <div class="buttons"><button class="primary">Filter</button>${isFiltered && html`<button type="button" onClick=${clear}>Today</button>`}</div>
    <//>
    <${ReadState} page=${page} />
    ${!found && !page.failure && html`<${Skeleton} rows=${10} label="Loading the audit" />`}
    ${found && (found.length ? html`<${Table} caption="Audit records, newest first" columns=${columns()} rows=${found} rowKey=${(record) => record.key} busy=${page.loading} />`
      : html`<${Empty} title=${page.found.nextCursor ? "No record among those searched so far" : `No record${user ? ` about ${user}` : ""} ${when}`}>${page.found.nextCursor ? "There are older ones to search: go on with Next." : "Audit records expire after the deployment's number of days; the ledger's entries never expire."}<//>`)}
    ${found && html`<${Pager} cursor=${query.cursor} next=${page.found.nextCursor} count=${found.length} noun=${found.length === 1 ? "record" : "records"} />`}`;
}
return { Audit: Audit };
})();
};
