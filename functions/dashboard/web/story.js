// The entries of one account, newest first, opened at an entry however old it is.
import { html, useEffect, useState } from "./html.js";
import { get } from "./api.js";
import { change, number, Time } from "./format.js";
import { jobFacts, JobLine } from "./job.js";
import { href } from "./router.js";
import { Badge, Empty, Quoted, ReadState } from "./ui.js";
import { useLoad } from "./loading.js";
import { happened, outcome, tone, who, why } from "./words.js";

const PAGE = 50;
const AROUND = 10;

// Entries from `seq` `top` on downwards; seqs have no gaps, so a page is named by its first seq.
const page = (user, top, signal) => get("/admin/transactions", { user, cursor: top + 1, limit: PAGE }, { signal }).then((found) => found.transactions);

// `newest` are the newest entries; `query.entry` is the seq of the entry to show.
export function Story({ user, newest, query, mayUndo, onUndo }) {
  const wanted = /^[1-9][0-9]{0,11}$/.test(query.entry || "") ? Number(query.entry) : 0;
  const last = newest[0]?.seq || 0;
  const isNear = !wanted || wanted > last - newest.length;
  const top = isNear ? last : Math.min(last, wanted + AROUND);
  const old = useLoad((signal) => (isNear ? Promise.resolve(null) : page(user, top, signal)), [user, isNear ? 0 : top]);
  const [more, setMore] = useState({});
  const [failure, setFailure] = useState(null);
  const first = isNear ? newest : old.found || [];
  const extended = more.top === top ? more : { top, above: [], below: [] };
  const entries = [...extended.above, ...first, ...extended.below];
  const [length, setLength] = useState(PAGE);
  const enough = isNear && wanted ? last - wanted + AROUND : 0;
  const shown = isNear && !extended.below.length ? entries.slice(0, Math.max(length, enough)) : entries;
  const isThere = shown.some((entry) => entry.seq === wanted);
  useEffect(() => {
    const line = isThere && document.getElementById(`entry-${wanted}`);
    if (!line) return;
    line.scrollIntoView({ block: "center" });
    line.focus({ preventScroll: true });
  }, [query, isThere]);
  if (!isNear && !old.found) return html`<${ReadState} page=${old} />${old.loading && html`<p class="quiet">Loading entry ${wanted}…</p>`}`;
  if (!shown.length) return html`<${Empty} title=${last ? `There is no entry ${wanted}` : "There is no entry yet"} />`;
  const highest = shown[0].seq;
  const lowest = shown.at(-1).seq;
  const fetchMore = async (from, place) => {
    setFailure(null);
    try {
      const found = await page(user, from);
      const kept = found.filter((entry) => entry.seq > highest || entry.seq < lowest);
      setMore({ ...extended, [place]: place === "above" ? [...kept, ...extended.above] : [...extended.below, ...kept] });
    } catch (error) {
      if (!error.loggedOut) setFailure(error);
    }
  };
  const older = () => (shown.length < entries.length ? setLength(shown.length + PAGE) : fetchMore(lowest - 1, "below"));
  const later = new Map([...newest, ...entries].filter((entry) => entry.reverses).map((entry) => [entry.reverses, entry]));
  return html`${wanted > last && html`<p class="quiet">There is no entry ${wanted}; the newest is entry ${last}.</p>`}
    ${highest < last && html`<p class="buttons"><button onClick=${() => fetchMore(Math.min(last, highest + PAGE), "above")}>Show newer</button>
      <a href=${href("users", user)}>Go to the newest entry</a></p>`}
    <ol class="story" reversed>${shown.map((entry) => html`
      <${Line} key=${entry.seq} entry=${entry} isWanted=${entry.seq === wanted} later=${later.get(entry.seq)} mayUndo=${mayUndo} onUndo=${onUndo} />`)}</ol>
    ${failure && html`<p class="error" role="alert">${failure.message}</p>`}
    ${lowest > 1 && html`<p class="buttons"><button onClick=${older}>Show older</button></p>`}`;
}

function Line({ entry, isWanted, later, mayUndo, onUndo }) {
  const canUndo = mayUndo && entry.undoable && !later;
  const end = outcome(later);
  const to = (seq) => href("users", entry.userId, { entry: seq });
  return html`<li class=${isWanted ? "line focus" : "line"} id=${`entry-${entry.seq}`} tabindex="-1" aria-current=${isWanted ? "true" : undefined}>
    <div class="what"><p>${happened(entry)}${end && html` <a class="plain" href=${to(later.seq)} title=${`entry ${later.seq}`}><${Badge} tone=${end[1]}>${end[0]}<//></a>`}</p>
      ${why(entry) && html`<${Quoted}>${why(entry)}<//>`}
      <${JobLine} job=${entry.job} isEnd=${Boolean(entry.reverses)} />
      <details class="more" open=${isWanted}><summary><${Time} at=${entry.timestamp} style="full" /> · ${who(entry.actor)}${entry.address && ` · from ${entry.address}`} · entry\u00a0${entry.seq}</summary><dl>
        <${Fact} name="Request" value=${entry.requestId} /><${Fact} name="About" value=${entry.subject} />
        <${Fact} name="Actor" value=${entry.actor} /><${Fact} name="Browser or app" value=${entry.userAgent} />
        <${Fact} name="Product" value=${entry.product} /><${Fact} name="Units" value=${entry.units && number(entry.units)} />
        <${Fact} name="Held" value=${entry.heldChange ? change(entry.heldChange) : ""} /><${Fact} name="Owed" value=${entry.owedChange ? change(entry.owedChange) : ""} />
        <${Fact} name="Reverses" value=${entry.reverses && html`<a href=${to(entry.reverses)}>entry ${entry.reverses}</a>`} />
        <${Fact} name="Type" value=${entry.type} />
        ${jobFacts(entry.job).map(([name, value]) => html`<${Fact} key=${name} name=${name} value=${value} />`)}</dl></details>
    </div>
    <div class="amounts"><b class=${`num ${tone(entry)}`}>${change(entry.amount)}</b>
      <span class="num quiet small">balance ${number(entry.balanceAfter)}${entry.heldAfter ? html`<br />held ${number(entry.heldAfter)}` : ""}${entry.owedAfter ? html`<br />owed ${number(entry.owedAfter)}` : ""}</span>
      ${canUndo && html`<button class="small" aria-label=${`Undo entry ${entry.seq}`} onClick=${() => onUndo(entry)}>Undo</button>`}</div>
  </li>`;
}

const Fact = ({ name, value }) => (value ? html`<div><dt>${name}</dt><dd><bdi>${value}</bdi></dd></div>` : null);
