// How the whole system is, live.
import { html, useEffect, useState } from "./html.js";
import { get } from "./api.js";
import { Chart } from "./chart.js";
import { Ago, number } from "./format.js";
import { href, setQuery } from "./router.js";
import { Badge, Head, Skeleton, Trouble, useLoad } from "./ui.js";

const RANGES = { "24h": ["24 hours", 1], "7d": ["7 days", 7], "30d": ["30 days", 30], "90d": ["90 days", 90] };
const REFRESH_MS = 10000;

const seconds = (iso) => Date.parse(iso) / 1000;

function periods(stats, range) {
  if (range === "24h") return { step: "hour", rows: stats.hours.slice(-24), at: (row) => seconds(row.hour) };
  return { step: "day", rows: stats.days, at: (row) => seconds(`${row.day}T00:00:00Z`) };
}

export function Overview({ query }) {
  const range = RANGES[query.range] ? query.range : "7d";
  const [, days] = RANGES[range];
  const stats = useLoad((signal) => get("/admin/stats", { days }, { signal }), [days]);
  const services = useLoad((signal) => get("/health/services", {}, { signal }).catch((failure) => failedServices(failure)), []);
  useEffect(() => {
    const timer = setInterval(() => {
      if (document.visibilityState !== "visible") return;
      stats.reload();
      services.reload();
    }, REFRESH_MS);
    return () => clearInterval(timer);
  }, [days]);
  return html`<${Head} title="Overview">
      <${Live} stats=${stats} />
      <div class="segments" role="group" aria-label="How far back">${Object.entries(RANGES).map(([name, [label]]) => html`
        <button key=${name} aria-pressed=${name === range ? "true" : "false"} onClick=${() => setQuery({ range: name }, { replace: true })}>${label}</button>`)}</div>
    <//>
    <${State} services=${services.found} waiting=${stats.found?.deadLetters} />
    ${!stats.found && stats.failure && html`<${Trouble} failure=${stats.failure} retry=${stats.reload} />`}
    ${!stats.found && !stats.failure && html`<${Skeleton} rows=${8} label="Loading the figures" />`}
    ${stats.found && html`<${Figures} stats=${stats.found} range=${range} />`}`;
}

function failedServices(failure) {
  if (failure.name === "AbortError") throw failure;
  return failure.details?.services ? failure.details : null;
}

function Live({ stats }) {
  const [, tick] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => tick((n) => n + 1), 1000);
    return () => clearInterval(timer);
  }, []);
  if (!stats.at) return null;
  const age = Math.round((Date.now() - stats.at) / 1000);
  const behind = stats.failure || age > 40;
  return html`<p class=${behind ? "live behind" : "live"} title="Refreshed every 10 seconds while you look">
    <i aria-hidden="true"></i>${behind ? "Not refreshed for" : "Live,"} ${age} s${behind ? "" : " ago"}</p>`;
}

function State({ services, waiting }) {
  if (!services) return null;
  const upstream = services.services?.ttt || services.ttt || {};
  const circuit = services.circuitBreaker?.state || services.services?.circuitBreaker?.state;
  const failures = upstream.consecutiveFailures;
  return html`<ul class="state" aria-label="State of the services">
    ${upstream.status && html`<li>Transcription <${Badge} tone=${upstream.status === "ok" ? "good" : upstream.status === "degraded" ? "warn" : "bad"}>${upstream.status}<//>
      ${failures > 0 && html`<span class="quiet">${failures} failures in a row</span>`}</li>`}
    ${circuit && html`<li>Circuit <${Badge} tone=${circuit === "closed" ? "good" : circuit === "open" ? "bad" : "warn"}>${circuit.replace("_", " ")}<//></li>`}
    ${["dynamodb", "ssm"].map((name) => services.services?.[name]?.status && services.services[name].status !== "ok" && html`
      <li key=${name}>${name === "ssm" ? "Secrets" : "Table"} <${Badge} tone="bad">${services.services[name].status}<//></li>`)}
    ${waiting !== undefined && waiting !== null && html`<li>Dead letters <${Badge} tone=${waiting ? "bad" : "good"}>${number(waiting)}<//></li>`}
  </ul>`;
}

const Figure = ({ label, value, note, to }) => html`<div class="figure"><dt>${to ? html`<a href=${to}>${label}</a>` : label}</dt>
  <dd>${number(value)}</dd>${note && html`<dd class="note">${note}</dd>`}</div>`;

function Figures({ stats, range }) {
  const { step, rows, at } = periods(stats, range);
  const times = rows.map(at);
  const sum = (name) => rows.reduce((total, row) => total + (row[name] || 0), 0);
  const line = (label, name, color, shape = {}) => ({ label, color, values: rows.map((row) => row[name] || 0), ...shape });
  const within = `in ${RANGES[range][0]}`;
  const refused = stats.refusals.total;
  const codes = Object.entries(stats.refusals.byCode);
  return html`<dl class="figures-grid">
      <${Figure} label="Users" value=${stats.totalUsers} note=${`${number(sum("newUsers"))} new ${within}`} to=${href("users", "", { sort: "newest" })} />
      <${Figure} label="In the system" value=${stats.totalCredits} note=${`credits; ${number(stats.creditsAvailable)} can be spent`} />
      <${Figure} label="Held" value=${stats.creditsHeld} note="for open tokens" />
      <${Figure} label="Sold and given" value=${stats.creditsAdded} note=${`${number(sum("added"))} ${within}`} />
      <${Figure} label="Spent" value=${stats.creditsSpent} note=${`${number(sum("spent"))} ${within}`} />
      <${Figure} label="Given back" value=${stats.creditsRefunded} note=${`${number(sum("refunded"))} ${within}`} to=${href("transactions", "", { type: "refund" })} />
      <${Figure} label="Refusals" value=${refused} note=${refused ? codes.map(([code, count]) => `${count} ${code.replaceAll("_", " ")}`).join(", ") : `none ${step === "hour" ? "today" : within}`} to=${href("audit")} />
    </dl>
    <div class="charts">
      <${Chart} title="Credits added and spent" step=${step} times=${times} series=${[line("added", "added", "--blue"), line("spent", "spent", "--accent")]} />
      <${Chart} title="Tokens and refunds" step=${step} times=${times} series=${[line("tokens", "vended", "--accent", { bars: true }), line("given back", "refunded", "--amber")]} />
      <${Chart} title="New users" step=${step} times=${times} series=${[line("new users", "newUsers", "--blue", { bars: true })]} />
      ${step === "day" && html`<${Chart} title="Refusals" step=${step} times=${times} series=${[line("refusals", "refusals", "--red", { bars: true })]} />`}
    </div>
    <p class="quiet small">From the read models, which follow the ledger by a moment: <${Ago} at=${stats.asOf} />. Days are UTC days.</p>`;
}
