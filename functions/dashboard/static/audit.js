export default ($all) => {
const { $api, $csv, $filters, $format, $html, $loading, $router, $ui, $words } = $all;
const $audit = $all.$audit = (() => {
const { html } = $html;
const { get } = $api;
const { ListCsv, named } = $csv;
const { DayFields, daysOf, Filters, UserField, userOf } = $filters;
const { change, dollarChange, Time, today, zone } = $format;
const { useLoad } = $loading;
const { href, setQuery } = $router;
const { Badge, Empty, Field, Head, Pager, Quoted, ReadState, Skeleton, Table } = $ui;
const { ACTIONS, actorOf, did, who } = $words;

const PAGE = 50;
const CSV = named("timestamp actor action userId ok code reason amount unit seq address userAgent requestId");
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

const amount = ({ amount: size, unit }) => (size === null ? "" : unit === "credits" ? change(size) : dollarChange(size));

const columns = () => [
  { label: `When (${zone()})`, cls: "when", cell: (record) => html`<${Time} at=${record.timestamp} />` },
  { label: "Who", cls: "by", cell: (record) => html`<a title=${`Everything by ${record.actor}`} href=${href("audit", "", { actor: record.actor })}>${who(record.actor)}</a>${record.address && html`<span class="why" title=${record.userAgent}>from ${record.address}</span>`}` },
  { label: "What", cls: "main", cell: (record) => html`<${Did} record=${record} />` },
  { label: "Change", cls: "num", cell: (record) => amount(record) },
  { label: "About", cls: "who", cell: (record) => html`<${About} record=${record} />` },
  { label: "Outcome", cls: "outcome", cell: (record) => html`<${Badge} tone=${record.ok ? "good" : "bad"}>${record.ok ? "done" : (record.code || "refused").replaceAll("_", " ")}<//>` },
];

function Audit({ query }) {
  const user = query.user || "";
  const outcome = OUTCOMES[query.outcome] ? query.outcome : "any";
  const actor = query.actor || "";
  const action = query.action || "";
  const given = daysOf(query);
  const days = user || actor || given.fromDay || given.toDay ? given : { fromDay: today(), toDay: today() };
  const wanted = { user, actor, action, outcome, ...days };
  const page = useLoad((signal) => get("/admin/audit", { ...wanted, cursor: query.cursor, limit: PAGE }, { signal }), [wanted, query.cursor]);
  const found = page.found?.records;
  const apply = async (typed) => setQuery({ day: "", ...typed, user: await userOf(typed.user), actor: actorOf(typed.actor), outcome: typed.outcome === "any" ? "" : typed.outcome });
  const clear = () => setQuery({ user: "", actor: "", action: "", day: "", fromDay: "", toDay: "", outcome: "" });
  const filters = [user, actor, action, given.fromDay, given.toDay, outcome !== "any"].filter(Boolean);
  const isFiltered = filters.length > 0;
  const when = days.fromDay === days.toDay ? `on ${days.fromDay || "any day"}` : `from ${days.fromDay || "the beginning"} to ${days.toDay || "today"}`;
  return html`<${Head} title="Audit" page=${page} sub="Refusals, tokens, log-ins, and what operators did.">
      <${ListCsv} name="audit" columns=${CSV} read=${(cursor) => get("/admin/audit", { ...wanted, cursor, limit: 100 }).then((answer) => ({ rows: answer.records, next: answer.nextCursor }))} /><//>
    <${Filters} cls="audit" key=${JSON.stringify(wanted)} count=${filters.length} apply=${apply}>
      <${UserField} label="About" name="user" value=${user} placeholder="user id or operator:anna" />
      <${Field} label="By">${(field) => html`<input ...${field} name="actor" defaultValue=${actor} placeholder="anna or admin:secret" maxlength="160" autocomplete="off" />`}<//>
      <${Field} label="Action">${(field) => html`<select ...${field} name="action"><option value="">All</option>${Object.entries({ ...ACTIONS, ...(action && { [action]: did(action) }) }).map(([value, label]) => html`<option value=${value} selected=${value === action} key=${value}>${label}</option>`)}</select>`}<//>
      <${DayFields} ...${days} />
      <${Field} label="Outcome">${(field) => html`<select ...${field} name="outcome" value=${outcome}>${Object.entries(OUTCOMES).map(([value, label]) => html`<option value=${value} selected=${value === outcome} key=${value}>${label}</option>`)}</select>`}<//>
      <div class="buttons"><button class="primary">Filter</button>${isFiltered && html`<button type="button" onClick=${clear}>Today</button>`}</div>
    <//>
    <${ReadState} page=${page} />
    ${!found && !page.failure && html`<${Skeleton} rows=${10} label="Loading the audit" />`}
    ${found && (found.length ? html`<${Table} caption="Audit records, newest first" columns=${columns()} rows=${found} rowKey=${(record) => record.key} busy=${page.loading} />`
      : html`<${Empty} title=${page.found.nextCursor ? "No record among those searched so far" : `No record${user ? ` about ${user}` : ""}${actor ? ` by ${who(actor)}` : ""} ${when}`}>${page.found.nextCursor ? "There are older ones to search: go on with Next." : "Audit records expire after the deployment's number of days; the ledger's entries never expire."}<//>`)}
    ${found && html`<${Pager} cursor=${query.cursor} next=${page.found.nextCursor} count=${found.length} noun=${found.length === 1 ? "record" : "records"} />`}`;
}
return { Audit: Audit };
})();
};
