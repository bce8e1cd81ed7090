export default ($all) => {
const { $api, $chart, $format, $html, $loading, $router, $ui } = $all;
const $overview = $all.$overview = (() => {
const { html, useEffect } = $html;
const { get } = $api;
const { Chart } = $chart;
const { clock, number, useTicks } = $format;
const { useLoad } = $loading;
const { href, setQuery } = $router;
const { Badge, Figures, Head, ReadState, Skeleton, Table } = $ui;

const RANGES = { "24h": ["24 hours", 1], "7d": ["7 days", 7], "30d": ["30 days", 30], "90d": ["90 days", 90] };
const REFRESH_MS = 10000;
const LATE_S = 40;

const seconds = (iso) => Date.parse(iso) / 1000;

function periods(stats, range) {
  if (range === "24h") return { step: "hour", rows: stats.hours.slice(-24), at: (row) => seconds(row.hour) };
  return { step: "day", rows: stats.days, at: (row) => seconds(`${row.day}T00:00:00Z`) };
}

function Overview({ query }) {
  const range = RANGES[query.range] ? query.range : "7d";
  const [, days] = RANGES[range];
  const stats = useLoad((signal) => get("/admin/stats", { days }, { signal }), [days]);
  const services = useLoad((signal) => get("/health/services", {}, { signal }).catch(degraded), []);
  const pages = [stats, services];
  useEffect(() => {
    const timer = setInterval(() => {
      if (document.visibilityState === "visible") pages.forEach((page) => page.reload({ gently: true }));
    }, REFRESH_MS);
    return () => clearInterval(timer);
  }, [days]);
  return html`<${Head} title="Overview">
      <${Live} page=${stats} />
      <div class="segments" role="group" aria-label="Range">${Object.entries(RANGES).map(([name, [label]]) => html`
        <button key=${name} aria-pressed=${name === range ? "true" : "false"} onClick=${() => setQuery({ range: name }, { replace: true })}>${label}</button>`)}</div>
    <//>
    <${State} page=${services} waiting=${stats.found?.deadLetters} />
    <${ReadState} page=${stats} />
    ${!stats.found && !stats.failure && html`<${Skeleton} rows=${8} label="Loading the figures" />`}
    ${stats.found && html`<${Totals} page=${stats} range=${range} />`}`;
}

function degraded(failure) {
  if (!failure.details?.services) throw failure;
  return failure.details;
}

function Live({ page }) {
  useTicks(1000);
  if (!page.at) return null;
  const age = Math.round((Date.now() - page.at) / 1000);
  const behind = page.failure || age > LATE_S;
  return html`<p class=${behind ? "live behind" : "live"} title="Refreshed every 10 seconds while the tab is visible">
    <i aria-hidden="true"></i>${behind ? `Not refreshed since ${clock(page.at)}` : `Live, ${age} s ago`}</p>`;
}

function State({ page, waiting }) {
  const services = page.found;
  if (!services) return page.failure ? html`<p class="state">The services cannot be read: ${page.failure.message}</p>` : null;
  const upstream = services.services?.ttt || services.ttt || {};
  const circuit = services.circuitBreaker?.state || services.services?.circuitBreaker?.state;
  const failures = upstream.consecutiveFailures;
  return html`<ul class="state" aria-label="State of the services">
    ${page.failure && html`<li><${Badge} tone="warn">as of ${clock(page.at)}<//></li>`}
    ${upstream.status && html`<li>Transcription <${Badge} tone=${upstream.status === "ok" ? "good" : upstream.status === "degraded" ? "warn" : "bad"}>${upstream.status}<//>
      ${failures > 0 && html`<span class="quiet">${failures} ${failures === 1 ? "failure" : "failures in a row"}</span>`}</li>`}
    ${circuit && html`<li>Circuit <${Badge} tone=${circuit === "closed" ? "good" : circuit === "open" ? "bad" : "warn"}>${circuit.replace("_", " ")}<//></li>`}
    ${["dynamodb", "ssm"].map((name) => services.services?.[name]?.status && services.services[name].status !== "ok" && html`
      <li key=${name}>${name === "ssm" ? "Secrets" : "Table"} <${Badge} tone="bad">${services.services[name].status}<//></li>`)}
    ${waiting !== undefined && waiting !== null && html`<li>Dead letters <${Badge} tone=${waiting ? "bad" : "good"}>${number(waiting)}<//></li>`}
  </ul>`;
}

function Totals({ page, range }) {
  const stats = page.found;
  const { step, rows, at } = periods(stats, range);
  const times = rows.map(at);
  const sum = (name) => rows.reduce((total, row) => total + (row[name] || 0), 0);
  const line = (label, name, color, shape = {}) => ({ label, color, values: rows.map((row) => row[name] || 0), ...shape });
  const within = `in ${RANGES[range][0]}`;
  const refused = stats.refusals.total;
  const codes = Object.entries(stats.refusals.byCode);
  return html`<${Figures} figures=${[
      ["Users", number(stats.totalUsers), { note: `${number(sum("newUsers"))} new ${within}`, to: href("users", "", { sort: "newest" }) }],
      ["In the system", number(stats.totalCredits), { note: `credits; ${number(stats.creditsAvailable)} available` }],
      ["Held", number(stats.creditsHeld), { note: "credits, in open holds" }],
      ...(stats.creditsOwed ? [["Owed", number(stats.creditsOwed), { cls: "warn", note: "credits, paid first by the next grants" }]] : []),
      ["Sold and given", number(stats.creditsAdded), { note: `credits; ${number(sum("added"))} ${within}` }],
      ["Spent", number(stats.creditsSpent), { note: `credits; ${number(sum("spent"))} ${within}` }],
      ["Returned", number(stats.creditsRefunded), { note: `credits; ${number(sum("refunded"))} ${within}`, to: href("transactions", "", { type: "refund" }) }],
      ["Refusals", number(refused), { note: refused ? codes.map(([code, count]) => `${number(count)} ${code.replaceAll("_", " ")}`).join(", ") : `none ${step === "hour" ? "today" : within}`, to: href("audit", "", { outcome: "refused" }) }],
    ]} />
    <div class="charts">
      <${Chart} title="Credits added and spent" unit=${`credits per ${step}`} step=${step} times=${times} series=${[line("added", "added", "--blue"), line("spent", "spent", "--accent")]} />
      <${Chart} title="Tokens, holds and returned credits" unit=${`tokens, holds and credits per ${step}`} step=${step} times=${times} series=${[line("tokens and holds", "vended", "--accent", { bars: true }), line("returned", "refunded", "--amber")]} />
      <${Chart} title="New users" unit=${`per ${step}`} step=${step} times=${times} series=${[line("new users", "newUsers", "--blue", { bars: true })]} />
      ${step === "day" && html`<${Chart} title="Refusals" unit=${`per ${step}`} step=${step} times=${times} series=${[line("refusals", "refusals", "--red", { bars: true })]} />`}
    </div>
    <${Sold} days=${step === "hour" ? stats.days.slice(-1) : stats.days} within=${step === "hour" ? "today (UTC)" : within} />
    <p class="quiet small">The figures come from the read models, which normally follow the ledger within a second. Days are UTC days.</p>`;
}

function Sold({ days, within }) {
  const sums = {};
  for (const { products = {} } of days) {
    for (const [code, { spent, holds }] of Object.entries(products)) {
      const sum = sums[code] ||= { code, spent: 0, holds: 0 };
      sum.spent += spent;
      sum.holds += holds;
    }
  }
  const rows = Object.values(sums).sort((one, other) => other.spent - one.spent || one.code.localeCompare(other.code));
  const columns = [
    { label: "Product", cls: "main", cell: ({ code }) => html`<a href=${href("products", code)}>${code}</a>` },
    { label: "Credits spent", cls: "num strong", cell: ({ spent }) => number(spent) },
    { label: "Holds placed", cls: "num", cell: ({ holds }) => number(holds) },
    { label: "Entries", cls: "act", cell: ({ code }) => html`<a href=${href("transactions", "", { product: code })} aria-label=${`Entries of ${code}`}>entries</a>` },
  ];
  return html`<section aria-labelledby="sold"><h2 id="sold">Sold by product <span class="unit">${within}</span></h2>
    ${rows.length ? html`<${Table} caption="Sold by product" columns=${columns} rows=${rows} rowKey=${({ code }) => code} />` : html`<p class="quiet">Nothing was sold ${within}.</p>`}</section>`;
}
return { Overview: Overview };
})();
};
