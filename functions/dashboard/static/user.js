export default ($all) => {
const { $api, $balance, $chart, $csv, $dialog, $format, $grants, $html, $loading, $router, $ui, $words, $writes } = $all;
const $adjust = $all.$adjust = (() => {
const { html, useState } = $html;
const { Preview, readBalance: read } = $balance;
const { Buttons, Dialog } = $dialog;
const { clock, credits, number } = $format;
const { useLoad } = $loading;
const { Field, say, Trouble } = $ui;
const { Refused, Unknown, useOutcome, useWrite } = $writes;

const MOST = 1000000;
const KINDS = {
  add: {
    title: "Add credits", ask: "Add these credits?", path: "/admin/add-credits", type: "admin_add", sign: 1, done: "added",
    act: (size) => `Add ${credits(size)}`, reasons: ["Transcription was wrong", "Paid, but not credited", "Goodwill", "Test"],
  },
  deduct: {
    title: "Deduct credits", ask: "Deduct these credits?", path: "/admin/deduct-credits", type: "admin_deduct", sign: -1, done: "deducted",
    act: (size) => `Deduct ${credits(size)}`, reasons: ["Credited twice", "Payment was refunded", "Test"],
  },
};

function BalanceNow({ page, userId }) {
  if (page.failure && !page.found) return html`<${Trouble} failure=${page.failure} retry=${page.reload} />`;
  return html`<p class="quiet">User <span class="id">${userId}</span>. ${page.found ? `Available: ${credits(page.found.balance)}, read at ${clock(page.at)}.` : "Reading the balance…"}</p>`;
}

function sayDone(userId, made, expected, done, onDone) {
  const moved = made.newBalance !== expected ? ` The balance had changed since the preview, so it is not ${number(expected)}.` : "";
  const text = made.replayed ? `This had been carried out before; the balance of ${userId} was ${number(made.newBalance)} then.`
    : `The balance of ${userId} is ${number(made.newBalance)}.${moved}`;
  say(`${credits(Math.abs(made.amount - made.owedChange))} ${done}. ${text}`, { action: { label: "Undo", run: () => onDone({ undo: made }) } });
}

function AdjustDialog({ kind, userId, session, onClose, onDone }) {
  const how = KINDS[kind];
  const [amount, setAmount] = useState("");
  const [reason, setReason] = useState("");
  const [step, setStep] = useState("form");
  const [seen, setSeen] = useState(null);
  const [checking, setChecking] = useState(false);
  const [unread, setUnread] = useState(null);
  const [tried, setTried] = useState(false);
  const now = useLoad((signal) => read(userId, signal), [userId]);
  const act = `${kind}:${userId}`;
  const write = useWrite(act);
  useOutcome(act, (done) => (done ? onDone({}) : write.forget()));
  const size = /^[0-9]{1,7}$/.test(amount) ? Number(amount) : NaN;
  const { balance, owed } = seen || now.found || {};
  const paid = kind === "add" ? Math.min(owed, size) || 0 : 0;
  const after = balance + how.sign * size - paid;
  const wrong = {
    amount: !(size >= 1 && size <= MOST) ? `A whole number from 1 to ${number(MOST)}.`
      : after < 0 ? `Only ${credits(balance)} can be deducted.` : "",
    reason: reason.trim() ? "" : "A reason is required. The ledger keeps it permanently.",
  };
  const review = async (event) => {
    event.preventDefault();
    setTried(true);
    if (wrong.amount && !(seen && after < 0) || wrong.reason || checking) return;
    setChecking(true);
    setUnread(null);
    try {
      setSeen(await read(userId));
      setStep("confirm");
    } catch (failure) {
      if (!failure.loggedOut) setUnread(failure);
    }
    setChecking(false);
  };
  const confirm = async (event) => {
    event.preventDefault();
    if (write.busy || after < 0) return;
    const body = { userId, amount: size, reason: reason.trim() };
    const about = {
      kind: "entry", user: userId, after: seen.seq, type: how.type, amount: how.sign * size, reason: body.reason,
      actor: `operator:${session.name}`, once: true, text: `${how.act(size)} · ${userId}`,
    };
    const made = await write.send(how.path, body, about);
    if (!made) return;
    sayDone(userId, { ...made, amount: how.sign * size - paid, owedChange: -paid }, after, how.done, onDone);
    onDone({});
  };
  if (write.pending) {
    return html`<${Dialog} title=${how.title} step="unknown" onClose=${onClose}>
      <${Unknown} write=${write.pending} /><${Buttons} back="Close" onBack=${onClose} /><//>`;
  }
  if (step === "confirm") {
    const blocked = after < 0 || write.failure?.definite;
    return html`<${Dialog} title=${how.ask} step="confirm" onClose=${onClose} busy=${write.busy}><form class="stack" onSubmit=${confirm}>
      <${Preview} userId=${userId} balance=${seen.balance} size=${how.sign * size} owed=${-paid} reason=${reason.trim()} />
      ${after < 0 && html`<p class="error" role="alert">The balance fell to ${number(balance)} since the dialog was opened, so this amount cannot be deducted.</p>`}
      <${Refused} failure=${write.failure} />
      <${Buttons} back="Back" onBack=${() => { write.forget(); setStep("form"); }} busy=${write.busy} doing="Sending…" danger=${kind === "deduct"} first=${true}
        act=${blocked ? "" : write.failure ? "Try again" : how.act(size)} /></form><//>`;
  }
  return html`<${Dialog} title=${how.title} step="form" onClose=${onClose}>
    <form class="stack" onSubmit=${review} novalidate>
      <${BalanceNow} page=${now} userId=${userId} />
      <${Field} label="Credits" error=${tried && wrong.amount} hint=${Number.isNaN(after) || after < 0 ? "" : `New balance: ${number(after)}${paid ? `; ${number(paid)} pays what is owed` : ""}`}>
        ${(given) => html`<input ...${given} inputmode="numeric" autocomplete="off" data-first value=${amount} onInput=${(event) => setAmount(event.target.value.trim())} />`}<//>
      <${Field} label="Reason" error=${tried && wrong.reason}>
        ${(given) => html`<input ...${given} dir="auto" maxlength="200" autocomplete="off" value=${reason} onInput=${(event) => setReason(event.target.value)} />`}<//>
      <div class="chips" role="group" aria-label="Common reasons">${how.reasons.map((text) => html`
        <button type="button" class="chip" key=${text} onClick=${() => setReason(text)}>${text}</button>`)}</div>
      ${unread && html`<div class="trouble compact" role="alert"><p class="title">The balance could not be read. ${unread.message}</p><p>Nothing was sent.</p></div>`}
      <${Buttons} back="Cancel" onBack=${onClose} act="Review" doing="Reading the balance…" busy=${checking} />
    </form><//>`;
}

function UndoDialog({ userId, entry, onClose, onDone }) {
  const [reason, setReason] = useState(`Undo of entry ${entry.seq}`);
  const now = useLoad((signal) => read(userId, signal), [userId]);
  const act = `undo:${userId}:${entry.seq}`;
  const write = useWrite(act);
  useOutcome(act, (done) => done && onDone({}));
  const after = now.found && now.found.balance - entry.amount;
  const confirm = async (event) => {
    event.preventDefault();
    if (write.busy) return;
    const path = `/admin/users/${encodeURIComponent(userId)}/transactions/${entry.seq}/undo`;
    const about = { kind: "entry", user: userId, reverses: entry.seq, once: true, text: `Undo entry ${entry.seq} · ${userId}` };
    const made = await write.send(path, { reason: reason.trim() || `Undo of entry ${entry.seq}` }, about);
    if (!made) return;
    say(`Entry ${entry.seq} is undone. The balance of ${userId} ${made.replayed ? "was" : "is"} ${number(made.newBalance)}.`);
    onDone({});
  };
  const title = `Undo entry ${entry.seq}?`;
  if (write.pending) {
    return html`<${Dialog} title=${title} step="unknown" onClose=${onClose}>
      <${Unknown} write=${write.pending} /><${Buttons} back="Close" onBack=${onClose} /><//>`;
  }
  return html`<${Dialog} title=${title} step="form" onClose=${onClose} busy=${write.busy}>
    <form class="stack" onSubmit=${confirm}>
      <p>Entries are never changed or removed. The undo is a new entry that reverses entry ${entry.seq} and names it.</p>
      ${now.found ? html`<${Preview} userId=${userId} balance=${now.found.balance} size=${(entry.owedChange || 0) - entry.amount} owed=${-(entry.owedChange || 0)} />` : html`<${BalanceNow} page=${now} userId=${userId} />`}
      ${after < 0 && html`<p class="error">Part of these credits is spent: the balance cannot go below 0, so the undo will be refused.</p>`}
      <${Field} label="Reason">${(given) => html`<input ...${given} dir="auto" data-first maxlength="200" autocomplete="off" value=${reason} onInput=${(event) => setReason(event.target.value)} />`}<//>
      <${Refused} failure=${write.failure} />
      <${Buttons} back="Cancel" onBack=${onClose} busy=${write.busy} doing="Sending…" act=${write.failure?.definite ? "" : write.failure ? "Try again" : "Undo"} />
    </form><//>`;
}
return { AdjustDialog: AdjustDialog, UndoDialog: UndoDialog };
})();
const $erase = $all.$erase = (() => {
const { html, useState } = $html;
const { Buttons, Dialog } = $dialog;
const { number, Time } = $format;
const { Field, say } = $ui;
const { Refused, Unknown, useOutcome, useWrite } = $writes;

const MOST_CALLS = 100;

async function eraseAll(write, user, reason) {
  const sum = { origins: 0, auditRecords: 0, jobs: 0, others: [], complete: false };
  const path = `/admin/users/${encodeURIComponent(user.userId)}/erase`;
  const about = { kind: "erased", user: user.userId, before: user.erasedAt, once: true, text: `Erase personal data · ${user.userId}`, then: "Erase again to be sure that nothing is left." };
  for (let calls = 0; calls < MOST_CALLS && !sum.complete; calls += 1) {
    const made = await write.send(path, { reason, confirm: user.userId }, about);
    if (!made) return null;
    sum.origins += made.origins;
    sum.auditRecords += made.auditRecords;
    sum.jobs += made.jobs;
    sum.complete = made.complete;
    sum.others.push(...["device", "profile", "subscription"].filter((kind) => made[kind]));
  }
  return sum;
}

function PersonalData({ user, mayErase, onErase }) {
  if (!mayErase && !user.erasedAt) return null;
  return html`<section aria-labelledby="person"><h2 id="person">Personal data</h2>
    ${user.erasedAt ? html`<p>Erased <${Time} at=${user.erasedAt} style="full" />. Entries made since then may have an address and a browser.</p>`
      : html`<p class="quiet">Addresses, browsers and apps, the device's sign-in, the profile, texts of jobs.</p>`}
    ${mayErase && html`<p><button class="danger small" onClick=${onErase}>Erase personal data</button></p>`}</section>`;
}

function EraseDialog({ user, onClose, onDone }) {
  const [typed, setTyped] = useState("");
  const [reason, setReason] = useState("");
  const [tried, setTried] = useState(false);
  const act = `erase:${user.userId}`;
  const write = useWrite(act);
  useOutcome(act, (done) => done && onDone({}));
  const wrong = {
    typed: typed.trim() === user.userId ? "" : "Type the user id exactly as shown above.",
    reason: reason.trim() ? "" : "A reason is required. The audit keeps it.",
  };
  const confirm = async (event) => {
    event.preventDefault();
    setTried(true);
    if (wrong.typed || wrong.reason || write.busy) return;
    const sum = await eraseAll(write, user, reason.trim());
    if (!sum) return;
    const counts = [`origins ${number(sum.origins)}`, `audit records ${number(sum.auditRecords)}`, `job records ${number(sum.jobs)}`];
    const more = sum.complete ? "" : " Some data is left: erase again.";
    say(`Erased: ${[...counts, ...sum.others].join(", ")}.${more}`);
    onDone({});
  };
  const title = "Erase personal data?";
  if (write.pending) {
    return html`<${Dialog} title=${title} step="unknown" onClose=${onClose}>
      <${Unknown} write=${write.pending} /><${Buttons} back="Close" onBack=${onClose} /><//>`;
  }
  const rest = user.balance + (user.heldCredits ?? 0);
  return html`<${Dialog} title=${title} step="form" onClose=${onClose} busy=${write.busy}>
    <form class="stack" onSubmit=${confirm} novalidate>
      <p>This cannot be undone. It erases the addresses, browsers and apps of <span class="id">${user.userId}</span>, the device's sign-in, the profile, and the subscription's e-mail address and name. Every entry, amount and reason stays.</p>
      ${rest > 0 && html`<p class="quiet">The account still has ${number(rest)} ${rest === 1 ? "credit" : "credits"}; erasing does not change them.</p>`}
      <${Field} label="User id, once more" error=${tried && wrong.typed}>
        ${(given) => html`<input ...${given} data-first autocomplete="off" autocapitalize="off" spellcheck="false" value=${typed} onInput=${(event) => setTyped(event.target.value)} />`}<//>
      <${Field} label="Reason" hint="Do not name a person here." error=${tried && wrong.reason}>
        ${(given) => html`<input ...${given} dir="auto" maxlength="200" autocomplete="off" value=${reason} onInput=${(event) => setReason(event.target.value)} />`}<//>
      <${Refused} failure=${write.failure} />
      <${Buttons} back="Cancel" onBack=${onClose} busy=${write.busy} doing="Erasing…" danger=${true} act=${write.failure?.definite ? "" : write.failure ? "Try again" : "Erase for good"} />
    </form><//>`;
}
return { PersonalData: PersonalData, EraseDialog: EraseDialog };
})();
const $holds = $all.$holds = (() => {
const { html, useState } = $html;
const { get } = $api;
const { ListCsv, named } = $csv;
const { Buttons, Dialog } = $dialog;
const { Ago, clock, credits, number, Time } = $format;
const { href } = $router;
const { Badge, Field, say } = $ui;
const { sold, who } = $words;
const { Refused, Unknown, useOutcome, useWrite } = $writes;

const OUTCOMES = {
  open: ["open", "warn"], captured: ["captured", "good"], released: ["released", ""], expired: ["expired", ""],
  spent: ["spent", ""], written_off: ["written off", "warn"],
};

const isOfBackend = (hold) => Boolean(hold.caller);
const nameOf = (hold) => (isOfBackend(hold) ? hold.holdId : "the token");
const what = (hold) => (hold.product && (hold.product.code !== "transcript" || isOfBackend(hold)) ? ` for ${sold({ product: hold.product.code, units: hold.units })}` : "");

function parts(hold) {
  if (hold.state === "open") {
    const charged = hold.committed ? `, ${number(hold.committed)} charged` : "";
    return hold.reserved !== hold.amount || charged ? `${number(hold.reserved)} still held${charged}` : "";
  }
  return hold.committed && hold.released ? `${number(hold.committed)} charged, ${number(hold.released)} back` : "";
}

function job(hold) {
  if (isOfBackend(hold)) return html`Hold <code>${hold.holdId}</code> of ${who(hold.caller)}`;
  if (hold.jobId) return html`Job <code>${hold.jobId}</code>`;
  if (hold.used) return "Used; no job was started";
  return ["open", "released"].includes(hold.state) ? "Token not used" : "No job is named";
}

function Holds({ user, holds, none, mayEnd = false, onEnd }) {
  if (!holds.length) return html`<p class="quiet">${none}</p>`;
  const entry = (seq) => html`<a href=${href("users", user, { entry: seq })}>entry\u00a0${seq}</a>`;
  return html`<ul class="holds">${holds.map((hold) => {
    const [label, mood] = OUTCOMES[hold.state] || [hold.state, ""];
    const isOpen = hold.state === "open";
    return html`<li key=${hold.jti}><div class="hold"><p><b>${credits(hold.amount)}</b>${what(hold)} <${Badge} tone=${mood}>${label}<//>${parts(hold) && html` <span class="quiet">${parts(hold)}</span>`}</p>
        ${isOpen && mayEnd && !hold.used && html`<button class="small" aria-label=${`End ${nameOf(hold)}, entry ${hold.seq}`} onClick=${() => onEnd(hold)}>End</button>`}</div>
      <p class="quiet small">${job(hold)} · ${entry(hold.seq)}${hold.resolvedSeq ? html`, ended by ${entry(hold.resolvedSeq)}` : ""} · <${Ago} at=${hold.heldSince} />${isOpen && hold.expiresAt && html`, ends <${Time} at=${hold.expiresAt} />`}</p></li>`;
  })}</ul>`;
}

const CSV = [...named("jti holdId caller state amount reserved committed released"), ["product", (hold) => hold.product?.code], ...named("units used jobId heldSince expiresAt seq resolvedSeq")];

const HoldsCsv = ({ user }) => html`<${ListCsv} name=${`holds-${user}`} columns=${CSV} read=${() => get("/admin/holds", { user, state: "any" }).then((answer) => ({ rows: answer.holds }))} />`;

function EndDialog({ user, hold, onClose, onDone }) {
  const [reason, setReason] = useState("");
  const [tried, setTried] = useState(false);
  const act = `end:${hold.jti}`;
  const write = useWrite(act);
  useOutcome(act, (done) => (done ? onDone({}) : write.forget()));
  const wrong = reason.trim() ? "" : "A reason is required. The ledger keeps it permanently.";
  const confirm = async (event) => {
    event.preventDefault();
    setTried(true);
    if (wrong || write.busy) return;
    const body = { userId: user, hold: hold.jti, reason: reason.trim() };
    const about = { kind: "hold", user, jti: hold.jti, once: true, text: `End the hold of entry ${hold.seq} · ${user}` };
    const made = await write.send("/admin/holds/end", body, about);
    if (!made) return;
    say(made.replayed ? `The hold of entry ${hold.seq} had ended before. Nothing was changed.` : `The hold of entry ${hold.seq} is ended: ${credits(made.hold.released)} back.`);
    onDone({});
  };
  const title = "End this hold?";
  if (write.pending) {
    return html`<${Dialog} title=${title} step="unknown" onClose=${onClose}>
      <${Unknown} write=${write.pending} /><${Buttons} back="Close" onBack=${onClose} /><//>`;
  }
  return html`<${Dialog} title=${title} step="form" onClose=${onClose} busy=${write.busy}>
    <form class="stack" onSubmit=${confirm} novalidate>
      <p>${credits(hold.reserved)} ${hold.reserved === 1 ? "goes" : "go"} back to <span class="id">${user}</span>.${hold.committed ? ` The ${number(hold.committed)} that ${hold.committed === 1 ? "was" : "were"} charged stay charged.` : ""} ${isOfBackend(hold)
        ? html`<b>${who(hold.caller)}</b> can then commit nothing more under <code>${hold.holdId}</code>.` : "The token can then start no job."} This cannot be undone.</p>
      <p class="quiet">Left alone, it ends at ${clock(hold.expiresAt)}.</p>
      <${Field} label="Reason" error=${tried && wrong}>
        ${(given) => html`<input ...${given} dir="auto" data-first maxlength="200" autocomplete="off" value=${reason} onInput=${(event) => setReason(event.target.value)} />`}<//>
      <${Refused} failure=${write.failure} />
      <${Buttons} back="Keep it" onBack=${onClose} busy=${write.busy} doing="Ending…" danger=${true} act=${write.failure?.definite ? "" : write.failure ? "Try again" : "End the hold"} />
    </form><//>`;
}
return { Holds: Holds, HoldsCsv: HoldsCsv, EndDialog: EndDialog };
})();
const $job = $all.$job = (() => {
const { html } = $html;
const { Ago, Time } = $format;
const { Quoted } = $ui;

const STATES = {
  unused: "Not used yet", running: "Running", completed: "Completed", failed: "Failed", returned: "Returned without a job",
};
const CAUSES = {
  download_auth: "The video is private or needs a log-in", download_blocked: "TikTok blocked the download",
  download_network: "The network failed while the video was downloaded", download_not_found: "The video does not exist, or was deleted",
  download_unknown: "The video could not be downloaded",
};

function cause(job) {
  const text = job?.cause || "";
  const code = /\[code: (\w+)\]/.exec(text)?.[1];
  return CAUSES[code] || text;
}

function JobLine({ job, isEnd }) {
  if (!job) return null;
  const why = isEnd && cause(job);
  return html`${job.url && !isEnd && html`<p class="small job"><a href=${job.url} target="_blank" rel="noopener noreferrer"><bdi>${job.url.replace(/^https:\/\/(www\.)?/, "")}</bdi></a></p>`}
    ${why && html`<p class="small">Failed: <${Quoted}>${why}<//></p>`}
    ${job.releasedBy && html`<p class="small quiet">Goes back by <${Time} at=${job.releasedBy} style="full" /> (<${Ago} at=${job.releasedBy} />) at the latest.</p>`}`;
}

function jobFacts(job) {
  if (!job) return [];
  const time = (at) => at && html`<${Time} at=${at} style="full" />`;
  return [
    ["Job", STATES[job.state]], ["Video", job.url && html`<a href=${job.url} target="_blank" rel="noopener noreferrer">${job.url}</a>`], ["Job id", job.jobId], ["Upstream's job id", job.upstreamId],
    ["Cause", job.cause], ["Submitted", time(job.submittedAt)], ["Ended", time(job.endedAt)], ["Token's end", time(job.tokenEndsAt)],
    ["Erased", job.erased && "Video and cause were erased with the person's data"],
  ];
}
return { cause: cause, JobLine: JobLine, jobFacts: jobFacts };
})();
const $story = $all.$story = (() => {
const { html, useEffect, useState } = $html;
const { get } = $api;
const { change, number, Time } = $format;
const { jobFacts, JobLine } = $job;
const { href } = $router;
const { Badge, Empty, Quoted, ReadState } = $ui;
const { useLoad } = $loading;
const { happened, outcome, tone, who, why } = $words;

const PAGE = 50;
const AROUND = 10;

const page = (user, top, signal) => get("/admin/transactions", { user, cursor: top + 1, limit: PAGE }, { signal }).then((found) => found.transactions);

function Story({ user, newest, query, mayUndo, onUndo }) {
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
return { Story: Story };
})();
const $user = $all.$user = (() => {
const { html, useState } = $html;
const { AdjustDialog, UndoDialog } = $adjust;
const { get } = $api;
const { Chart } = $chart;
const { EraseDialog, PersonalData } = $erase;
const { clock, number, Time } = $format;
const { Grants, Use } = $grants;
const { EndDialog, Holds, HoldsCsv } = $holds;
const { useLoad } = $loading;
const { href } = $router;
const { Story } = $story;
const { Badge, Copy, Empty, Figures, Head, ReadState, Skeleton } = $ui;
const { useUnknown } = $writes;

const CHART_ENTRIES = 200;
const HOLDS_SHOWN = 50;

function load(userId, signal) {
  return Promise.all([
    get(`/admin/users/${encodeURIComponent(userId)}`, {}, { signal }),
    get("/admin/transactions", { user: userId, limit: CHART_ENTRIES }, { signal }),
    get("/admin/holds", { user: userId, state: "any" }, { signal }),
  ]).then(([user, page, { holds }]) => ({ user, entries: page.transactions, ended: holds.filter((hold) => hold.state !== "open").slice(0, HOLDS_SHOWN) }));
}

function User({ id, query, session }) {
  const page = useLoad((signal) => load(id, signal), [id]);
  const [dialog, setDialog] = useState(null);
  const mayChange = session.scopes.includes("credits:write");
  const mayEnd = session.scopes.includes("holds:write");
  const mayErase = session.scopes.includes("admin");
  if (!page.found) {
    const isUnknown = page.failure?.status === 404 || page.failure?.code === "invalid_request";
    return html`<${Head} title=${id} />${!page.failure ? html`<${Skeleton} rows=${12} label="Loading the user" />`
      : isUnknown ? html`<${UnknownUser} id=${id} />` : html`<${ReadState} page=${page} />`}`;
  }
  const { user, entries, ended } = page.found;
  const close = () => setDialog(null);
  const done = ({ undo }) => {
    setDialog(undo ? { kind: "undo", entry: undo } : null);
    page.reload();
  };
  return html`<p class="crumbs"><a href=${href("users")}>Users</a></p>
    <${Head} title=${user.userId} page=${page} sub=${html`<${Copy} text=${user.userId} label="Copy the user id" /> ${user.totals && html`since <${Time} at=${user.totals.createdAt} style="day" />`}`}>
      ${mayChange && html`<button class="primary" onClick=${() => setDialog({ kind: "add" })}>Add credits</button>
        <button onClick=${() => setDialog({ kind: "deduct" })}>Deduct credits</button>`}
    <//>
    <${ReadState} page=${page} />
    <${Verdict} page=${page} />
    <${Sums} user=${user} />
    <div class="columns">
      <section aria-labelledby="story"><h2 id="story">Story</h2>
        <${Story} user=${user.userId} newest=${entries} query=${query} mayUndo=${mayChange} onUndo=${(entry) => setDialog({ kind: "undo", entry })} />
      </section>
      <aside>
        <section aria-labelledby="open"><h2 id="open">Open holds</h2><${Holds} user=${user.userId} holds=${user.openHolds} none="No credit is held." mayEnd=${mayEnd} onEnd=${(hold) => setDialog({ kind: "end", hold })} /></section>
        <${Grants} user=${user} entries=${entries} />
        <section><${Course} entries=${entries} /></section>
        <${Use} entries=${entries} />
        <section aria-labelledby="jobs"><h2 id="jobs">Tokens, jobs and holds</h2><${Holds} user=${user.userId} holds=${ended} none="No hold has ended yet." />
          ${(user.openHolds.length > 0 || ended.length > 0) && html`<p><${HoldsCsv} user=${user.userId} /></p>`}</section>
        <${PersonalData} user=${user} mayErase=${mayErase} onErase=${() => setDialog({ kind: "erase" })} />
      </aside>
    </div>
    ${dialog?.kind === "undo" && html`<${UndoDialog} key=${`undo${dialog.entry.seq}`} userId=${id} entry=${dialog.entry} onClose=${close} onDone=${done} />`}
    ${dialog?.kind === "end" && html`<${EndDialog} key=${`end${dialog.hold.jti}`} user=${id} hold=${dialog.hold} onClose=${close} onDone=${done} />`}
    ${dialog?.kind === "erase" && html`<${EraseDialog} user=${user} onClose=${close} onDone=${done} />`}
    ${["add", "deduct"].includes(dialog?.kind) && html`<${AdjustDialog} key=${dialog.kind} kind=${dialog.kind} userId=${id} session=${session} onClose=${close} onDone=${done} />`}`;
}

function UnknownUser({ id }) {
  return html`<${Empty} title="There is no such user">No user has exactly this id. <a href=${href("users", "", { q: id.slice(0, 4) })}>Search for ids with the same beginning</a>.<//>`;
}

function Verdict({ page }) {
  const { user } = page.found;
  const check = user.verification;
  const unknown = useUnknown().some((write) => write.about.user === user.userId);
  if (!check.ok) {
    return html`<div class="verdict bad" role="alert"><p><${Badge} tone="bad">Does not add up<//> The ledger's check found ${number(check.findings.length)} ${check.findings.length === 1 ? "fault" : "faults"}. Do not adjust this balance before the fault is understood.</p>
      <ul>${check.findings.map((finding, n) => html`<li key=${n}>${finding.seq ? `Entry ${finding.seq}: ` : ""}${finding.text}</li>`)}</ul></div>`;
  }
  if (page.failure || unknown) {
    return html`<p class="verdict"><${Badge} tone="warn">Out of date<//> At ${clock(page.at)} the ledger added up. ${unknown ? "The outcome of a change sent since is not known yet." : "It could not be read since."}</p>`;
  }
  return html`<p class="verdict good"><${Badge} tone="good">Adds up<//> Checked at ${clock(page.at)}: ${number(check.entries)} ${check.entries === 1 ? "entry explains" : "entries explain"} this balance.</p>`;
}

function Sums({ user }) {
  const totals = user.totals || {};
  return html`<${Figures} cls="small" figures=${[
    ["Available", number(user.balance), { cls: "big" }], ["Held", number(user.heldCredits ?? user.reservedUnits), { note: holdsNote(user.openHolds) }],
    ["Owed", number(user.owed ?? 0), { cls: user.owed ? "warn" : "", note: user.owed ? "the next grant pays it" : "" }],
    ["Added", number(totals.added)], ["Deducted", number(totals.deducted)], ["Spent", number(totals.spent)], ["Returned", number(totals.refunded)],
  ]} />`;
}

const holdsNote = ({ length }) => (length ? `in ${number(length)} open ${length === 1 ? "hold" : "holds"}` : "");

function Course({ entries }) {
  if (entries.length < 2) return null;
  const oldest = [...entries].reverse();
  const byTime = new Map(oldest.map((entry) => [Date.parse(entry.timestamp) / 1000, entry.balanceAfter]));
  byTime.set(Math.floor(Date.now() / 1000), oldest.at(-1).balanceAfter);
  const values = [...byTime.values()];
  return html`<${Chart} title="Balance" unit="in credits" step="moment" times=${[...byTime.keys()]} series=${[{ label: "available", color: "--accent", values, now: values.at(-1), step: true }]} />`;
}
return { User: User };
})();
};
