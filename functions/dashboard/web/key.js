// One API key: what it did over the last days, with outcomes, and for whom.
import { html } from "./html.js";
import { get } from "./api.js";
import { CONSUMING, Use } from "./grants.js";
import { Ago, number, Time, today } from "./format.js";
import { useLoad } from "./loading.js";
import { href } from "./router.js";
import { Badge, Empty, Figures, Head, ReadState, Skeleton, Table } from "./ui.js";
import { charged, TYPES } from "./words.js";

const DAYS = 30;
const PAGE = 1000;
const PAGES = 5;
const USERS = 20;

async function load(id, signal) {
  const { keys } = await get("/admin/keys", {}, { signal });
  const entries = [];
  let cursor = "";
  let isAll = false;
  for (let page = 0; page < PAGES && !isAll; page += 1) {
    const found = await get("/admin/transactions", { actor: `api-key:${id}`, fromDay: today(DAYS - 1), limit: PAGE, cursor }, { signal });
    entries.push(...found.transactions);
    cursor = found.nextCursor;
    isAll = !cursor;
  }
  return { key: keys.find((one) => one.id === id), entries, isAll };
}

function grouped(entries, of) {
  const groups = new Map();
  for (const entry of entries) {
    const name = of(entry);
    const group = groups.get(name) || { name, count: 0, charged: 0, added: 0 };
    group.count += 1;
    if (CONSUMING.has(entry.type)) group.charged += charged(entry);
    else group.added += entry.amount;
    groups.set(name, group);
  }
  return [...groups.values()].sort((one, other) => other.count - one.count);
}

const amounts = [
  { label: "Entries", cls: "num strong", cell: (group) => number(group.count) },
  { label: "Charged", cls: "num", cell: (group) => number(group.charged) },
  { label: "Added", cls: "num", cell: (group) => number(group.added) },
];

export function Key({ id }) {
  const page = useLoad((signal) => load(id, signal), [id]);
  if (!page.found?.key) {
    return html`<${Head} title=${id} />${page.found ? html`<${Empty} title="There is no such key"><a href=${href("keys")}>All keys</a><//>` : page.failure ? html`<${ReadState} page=${page} />` : html`<${Skeleton} rows=${8} label="Loading the use of the key" />`}`;
  }
  const { key, entries, isAll } = page.found;
  const outcomes = grouped(entries, (entry) => entry.type);
  const users = grouped(entries, (entry) => entry.userId);
  const total = (name) => outcomes.reduce((sum, group) => sum + group[name], 0);
  const byType = [{ label: "Outcome", cls: "main", cell: (group) => html`<a href=${href("transactions", "", { actor: `api-key:${id}`, type: group.name })}>${TYPES[group.name] || group.name.replaceAll("_", " ")}</a>` }, ...amounts];
  const byUser = [{ label: "User", cls: "main", cell: (group) => html`<a class="id" href=${href("users", group.name)}>${group.name}</a>` }, ...amounts];
  return html`<p class="crumbs"><a href=${href("keys")}>API keys</a></p>
    <${Head} title=${key.description} page=${page} sub=${html`<code>${key.hint || key.id}</code> ${key.revokedAt && html`<${Badge} tone="bad">revoked<//>`} created <${Time} at=${key.createdAt} style="day" />, last used <${Ago} at=${key.lastUsedAt} />`} />
    <${ReadState} page=${page} />
    <${Figures} cls="small" figures=${[["Entries", number(entries.length), { note: isAll ? `in ${DAYS} days` : "the newest of them" }], ["Users", number(users.length)], ["Charged", number(total("charged"))], ["Added", number(total("added"))]]} />
    ${entries.length ? html`<${Use} entries=${entries} title="Use by day" />
      <section aria-labelledby="outcomes"><h2 id="outcomes" class="later">Outcomes</h2><${Table} caption="Entries by what happened" columns=${byType} rows=${outcomes} rowKey=${(group) => group.name} /></section>
      <section aria-labelledby="users"><h2 id="users" class="later">Users</h2><${Table} caption="Users with the most entries" columns=${byUser} rows=${users.slice(0, USERS)} rowKey=${(group) => group.name} /></section>`
      : html`<${Empty} title=${`It made no entry in ${DAYS} days`}>Reads leave none.<//>`}`;
}
