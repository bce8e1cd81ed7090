// Finding a user.
import { html, useEffect, useRef, useState } from "./html.js";
import { get } from "./api.js";
import { number, Time } from "./format.js";
import { go, href, setQuery } from "./router.js";
import { Empty, Head, Pager, Skeleton, Table, Trouble, useLoad } from "./ui.js";

const SORTS = { id: "By id", newest: "Newest first", balance: "Highest balance first" };
const PAGE = 50;
const PAUSE_MS = 250;

const COLUMNS = [
  { label: "User", cls: "main", cell: (user) => html`<a class="id" href=${href("users", user.userId)}>${user.userId}</a>` },
  { label: "Balance", cls: "num strong", cell: (user) => number(user.balance) },
  { label: "Held", cls: "num", cell: (user) => number(user.heldCredits) },
  { label: "Added", cls: "num", cell: (user) => number(user.added) },
  { label: "Spent", cls: "num", cell: (user) => number(user.spent) },
  { label: "Given back", cls: "num", cell: (user) => number(user.refunded) },
  { label: "Entries", cls: "num", cell: (user) => number(user.transactions) },
  { label: "Last active", cls: "when", cell: (user) => html`<${Time} at=${user.updatedAt} />` },
];

function Search({ prefix }) {
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
    look(text.trim());
  };
  return html`<form class="search" role="search" onSubmit=${open}>
    <label class="sr" for="q">User id begins with</label>
    <input id="q" ref=${field} type="search" placeholder="User id begins with…" autocomplete="off" spellcheck=${false} maxlength="128" value=${text} onInput=${typed} />
  </form>`;
}

export function Users({ query }) {
  const prefix = query.q || "";
  const sort = prefix ? "id" : SORTS[query.sort] ? query.sort : "id";
  const page = useLoad(
    (signal) => get("/admin/users", { prefix, sort, cursor: query.cursor, limit: PAGE }, { signal }),
    [prefix, sort, query.cursor],
  );
  const found = page.found?.users;
  return html`<${Head} title="Users" />
    <div class="bar"><${Search} prefix=${prefix} />
      <label class="inline">Order <select value=${sort} disabled=${!!prefix} onChange=${(event) => setQuery({ sort: event.target.value })}>
        ${Object.entries(SORTS).map(([value, label]) => html`<option value=${value} key=${value}>${label}</option>`)}</select></label>
    </div>
    ${page.failure && !page.loading && html`<${BadSearch} failure=${page.failure} retry=${page.reload} prefix=${prefix} />`}
    ${!found && page.loading && html`<${Skeleton} rows=${10} label="Loading users" />`}
    ${found && !page.failure && (found.length ? html`
      <${Table} caption="Users" columns=${COLUMNS} rows=${found} rowKey=${(user) => user.userId} busy=${page.loading} />
      <${Pager} cursor=${query.cursor} next=${page.found.nextCursor} count=${found.length} noun=${found.length === 1 ? "user" : "users"} />` : html`<${Nobody} prefix=${prefix} />`)}`;
}

function BadSearch({ failure, retry, prefix }) {
  if (failure.code !== "invalid_request" || !prefix) return html`<${Trouble} failure=${failure} retry=${retry} />`;
  return html`<${Empty} title="No user id looks like this">Ids have letters, digits and . _ : @ + = - only, and begin with a letter or digit.<//>`;
}

function Nobody({ prefix }) {
  if (!prefix) return html`<${Empty} title="There are no users yet">The first one appears when an app registers its device.<//>`;
  return html`<${Empty} title=${`No user id begins with “${prefix}”`}>Upper and lower case matter. A user who was made in the last second may take a moment;
    <button class="link" onClick=${() => go(href("users", prefix))}>open exactly this id</button>.<//>`;
}
