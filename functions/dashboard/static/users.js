export default ($all) => {
const { $api, $csv, $format, $html, $loading, $router, $ui } = $all;
const $users = $all.$users = (() => {
const { html, useEffect, useRef, useState } = $html;
const { get } = $api;
const { ListCsv } = $csv;
const { number, Time, zone } = $format;
const { useLoad } = $loading;
const { go, href, setQuery } = $router;
const { Empty, Head, Pager, ReadState, Skeleton, Table } = $ui;

const SORTS = { id: "By id", newest: "Newest first", balance: "Highest balance first" };
const PAGE = 50;
const PAUSE_MS = 250;

const columns = () => [
  { label: "User", cls: "main", cell: (user) => html`<a class="id" href=${href("users", user.userId)}>${user.userId}</a>` },
  { label: "Available", cls: "num strong", cell: (user) => number(user.balance) },
  { label: "Held", cls: "num", cell: (user) => number(user.heldCredits) },
  { label: "Owed", cls: "num", cell: (user) => number(user.owed) },
  { label: "Added", cls: "num", cell: (user) => number(user.added) },
  { label: "Spent", cls: "num", cell: (user) => number(user.spent) },
  { label: "Returned", cls: "num", cell: (user) => number(user.refunded) },
  { label: "Entries", cls: "num", cell: (user) => number(user.transactions) },
  { label: `Last active (${zone()})`, cls: "when", cell: (user) => html`<${Time} at=${user.updatedAt} />` },
];

const CSV = ["userId", "balance", "heldCredits", "owed", "added", "spent", "refunded", "transactions", "updatedAt"].map((name) => [name, (user) => user[name]]);

function Search({ prefix, only }) {
  const [text, set] = useState(prefix);
  const timer = useRef();
  const field = useRef();
  useEffect(() => { if (document.activeElement !== field.current) set(prefix); }, [prefix]);
  useEffect(() => () => clearTimeout(timer.current), []);
  const look = (value) => setQuery({ q: value, sort: value ? "" : undefined }, { replace: true });
  const typed = (event) => {
    const value = event.target.value.trim();
    set(event.target.value);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => look(value), PAUSE_MS);
  };
  const open = (event) => {
    event.preventDefault();
    clearTimeout(timer.current);
    if (only && text.trim() === prefix) go(href("users", only));
    else look(text.trim());
  };
  return html`<form class="search" role="search" onSubmit=${open}>
    <label class="sr" for="q">User id begins with</label>
    <input id="q" ref=${field} type="search" placeholder="User id begins with…" autocomplete="off" spellcheck=${false} maxlength="128" value=${text} onInput=${typed} />
  </form>`;
}

function Users({ query }) {
  const prefix = query.q || "";
  const sort = prefix ? "id" : SORTS[query.sort] ? query.sort : "id";
  const page = useLoad(
    (signal) => get("/admin/users", { prefix, sort, cursor: query.cursor, limit: PAGE }, { signal }),
    [prefix, sort, query.cursor],
  );
  const found = page.found?.users;
  const only = prefix && !page.loading && found?.length === 1 ? found[0].userId : "";
  const isNoId = page.failure?.code === "invalid_request" && prefix;
  return html`<${Head} title="Users" page=${page}><${ListCsv} name="users" columns=${CSV} read=${(cursor) => get("/admin/users", { prefix, sort, cursor, limit: 100 }).then((found) => ({ rows: found.users, next: found.nextCursor }))} /><//>
    <div class="bar"><${Search} prefix=${prefix} only=${only} />
      <label class="inline">Order <select value=${sort} disabled=${!!prefix} onChange=${(event) => setQuery({ sort: event.target.value })}>
        ${Object.entries(SORTS).map(([value, label]) => html`<option value=${value} key=${value}>${label}</option>`)}</select></label>
    </div>
    ${isNoId ? html`<${Empty} title="This cannot be the beginning of a user id">Ids have letters, digits and . _ : @ + = - only, and begin with a letter or digit.<//>` : html`<${ReadState} page=${page} />`}
    ${!found && !page.failure && html`<${Skeleton} rows=${10} label="Loading users" />`}
    ${found && !isNoId && (found.length ? html`
      <${Table} caption="Users" columns=${columns()} rows=${found} rowKey=${(user) => user.userId} busy=${page.loading} />
      <${Pager} cursor=${query.cursor} next=${page.found.nextCursor} count=${found.length} noun=${found.length === 1 ? "user" : "users"} />` : html`<${Nobody} prefix=${prefix} />`)}`;
}

function Nobody({ prefix }) {
  if (!prefix) return html`<${Empty} title="There are no users yet">The first one appears when an app registers its device.<//>`;
  return html`<${Empty} title=${`No user id begins with “${prefix}”`}>Upper and lower case are different. A user created in the last second can be missing;
    <button class="link" onClick=${() => go(href("users", prefix))}>open exactly this id</button>.<//>`;
}
return { Users: Users };
})();
};
