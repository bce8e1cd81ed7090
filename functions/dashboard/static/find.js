export default ($all) => {
const { $api, $format, $html, $loading, $router, $ui } = $all;
const $find = $all.$find = (() => {
const { html, useEffect, useRef, useState } = $html;
const { get } = $api;
const { number, Time } = $format;
const { useLoad } = $loading;
const { go, href } = $router;
const { Badge, Empty, Head, ReadState, Skeleton } = $ui;

const KINDS = {
  user: "Users", job: "Jobs", hold: "Tokens and holds", payment: "Payments", intent: "Purchases", credit_request: "Requests for credits",
  api_key: "API keys", operator: "Operators", transaction: "Entries",
};

function target({ kind, id, userId, seq }) {
  if (kind === "api_key") return href("keys");
  if (kind === "operator") return href("audit", "", { actor: `operator:${id}`, fromDay: "", toDay: "" });
  if (userId) return href("users", userId, { entry: seq });
  return kind === "payment" ? href("payments", id) : href("requests");
}

const single = (found) => (found.results.length === 1 && !found.searched.length ? found.results[0] : null);

function Find({ query }) {
  const q = (query.q || "").trim();
  const deep = query.deep === "true";
  const page = useLoad((signal) => (q ? get("/admin/search", { q, deep: deep || "" }, { signal }) : Promise.resolve(null)), [q, deep]);
  const [more, setMore] = useState({ results: [] });
  const [failure, setFailure] = useState(null);
  const list = useRef();
  const found = page.found;
  const only = found && !deep && !query.stay && single(found);
  useEffect(() => setMore({ results: [] }), [q, deep]);
  useEffect(() => { if (only) go(target(only), { replace: true }); }, [only]);
  if (!q) return html`<${Head} title="Search" /><${Empty} title="Type what was quoted">A user, a job, a video, a payment, a receipt, a pay code, an entry, a request id. The key <kbd>/</kbd> leads to the box.<//>`;
  const results = [...(found?.results || []), ...more.results];
  const next = more.of === found && more.next !== undefined ? more.next : found?.nextCursor;
  const older = async () => {
    setFailure(null);
    try {
      const page2 = await get("/admin/search", { q, cursor: next });
      const looked = (more.looked || 0) + page2.searched.reduce((sum, one) => sum + one.looked, 0);
      const fresh = page2.results.filter((one) => !results.some((other) => other.id === one.id));
      setMore({ of: found, results: [...more.results, ...fresh], next: page2.nextCursor, looked });
    } catch (error) {
      if (!error.loggedOut) setFailure(error);
    }
  };
  return html`<${Head} title=${`Search: ${q}`} />
    <${ReadState} page=${page} />
    ${!found && !page.failure && html`<${Skeleton} rows=${5} label="Searching" />`}
    <div ref=${list} onKeyDown=${(event) => moved(event, list.current)}>${Object.entries(KINDS).map(([kind, title]) => html`<${Kind} key=${kind} title=${title} results=${results.filter((one) => one.kind === kind)} />`)}</div>
    ${found && !results.length && html`<${Empty} title="Nothing was found">Nothing has exactly this name${found.searched.some((one) => one.what === "users") ? ", and no user's id has it as a part" : ""}.<//>`}
    ${found && html`<${Extent} found=${found} more=${more} />`}
    ${failure && html`<p class="error" role="alert">${failure.message}</p>`}
    ${found && html`<p class="buttons">${next && html`<button onClick=${older}>Search older entries</button>`}
      ${!deep && !found.searched.some((one) => one.what === "transactions") && html`<a href=${href("search", "", { q, deep: "true" })}>Search parts of names, and entries, too</a>`}</p>`}`;
}

function Kind({ title, results }) {
  if (!results.length) return null;
  return html`<section class="found"><h2>${title}</h2><ul>${results.map((one) => html`<li key=${`${one.id}/${one.userId}`}><a class="result" href=${target(one)}>
    <b class="id">${one.id}</b> ${one.userId && one.userId !== one.id && !one.id.startsWith(`${one.userId}:`) && html`<span class="id quiet">${one.userId}</span>`}
    <span>${one.text}</span> ${one.seq && html`<${Badge}>entry ${one.seq}<//>`} ${one.timestamp && html`<span class="quiet small"><${Time} at=${one.timestamp} style="full" /></span>`}</a></li>`)}</ul></section>`;
}

function Extent({ found, more }) {
  if (!found.searched.length) return null;
  const words = { users: "ids of users", transactions: "entries" };
  return html`<p class="quiet small" role="status">Searched: ${found.searched.map(({ what, looked, complete }) => {
    const count = looked + (what === "transactions" ? more.looked || 0 : 0);
    return complete ? `all ${number(count)} ${words[what]}` : `${what === "transactions" ? "the newest" : "the first"} ${number(count)} ${words[what]}, not all`;
  }).join("; ")}.</p>`;
}

function moved(event, list) {
  const links = [...list.querySelectorAll("a.result")];
  const at = links.indexOf(document.activeElement);
  const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: links.length - 1 }[event.key];
  if (event.key === "Escape" || to === -1) document.querySelector("#find")?.focus();
  else if (to === undefined || !links[to]) return;
  else links[to].focus();
  event.preventDefault();
}
return { Find: Find };
})();
};
