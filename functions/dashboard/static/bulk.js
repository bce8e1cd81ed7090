export default ($all) => {
const { $api, $csv, $dialog, $format, $html, $router, $ui } = $all;
const $bulk = $all.$bulk = (() => {
const { html, useEffect, useRef, useState } = $html;
const { call } = $api;
const { save, written } = $csv;
const { Buttons, Dialog } = $dialog;
const { change, number, today } = $format;
const { href } = $router;
const { Badge, Empty, Field, Figures, Head, say, Table } = $ui;

const STORE = "pluct-sheet";
const KEPT_MS = 24 * 3600 * 1000;
const STEP = 20;
const MOST_BYTES = 200000;
const SHOWN = 200;
const STATUSES = {
  would_do: ["will be done", ""], done: ["done", "good"], repeated: ["done before", "good"], refused: ["refused", "bad"], invalid: ["not valid", "bad"],
  not_reached: ["not reached", "warn"], unknown: ["not known yet", "warn"],
};
const FAULTS = {
  user: "this is no user id", amount: "a whole number from 1 to 1,000,000, with a minus to deduct", reason: "a reason of at most 200 characters is required", id: "the id is malformed or used twice", columns: "more cells than headings",
  insufficient_credits: "the balance is too small", not_found: "there is no such user", idempotency_key_reused: "the id was used for another change", busy: "the gateway was busy",
};

const send = (text, isDry) => call("POST", `/admin/adjustments?dryRun=${isDry}`, { csv: text });
const asCsv = (rows) => written([["id", "user", "amount", "reason"], ...rows.map((row) => [row.id, row.userId, row.amount, row.reason])], String);
const isOver = (row) => ["done", "repeated", "refused"].includes(row.status) && !row.isPlan;

function kept(session) {
  try {
    const found = JSON.parse(localStorage.getItem(STORE));
    return found && found.operator === session.name && Date.now() - found.at < KEPT_MS ? found.rows : null;
  } catch {
    return null;
  }
}

function keep(session, rows) {
  try {
    if (rows) localStorage.setItem(STORE, JSON.stringify({ operator: session.name, at: Date.now(), rows }));
    else localStorage.removeItem(STORE);
  } catch { /* A browser that stores nothing: the same sheet can be given again. */ }
}

function Bulk({ session }) {
  const [rows, setRows] = useState(() => kept(session));
  const [text, setText] = useState("");
  const [failure, setFailure] = useState(null);
  const [busy, setBusy] = useState(false);
  const mayChange = session.scopes.includes("credits:write");
  const check = async (sheet) => {
    setBusy(true);
    setFailure(null);
    try {
      const found = await send(sheet, true);
      setRows(found.rows.map((row) => ({ ...row, isPlan: row.status !== "repeated" })));
    } catch (error) {
      if (!error.loggedOut) setFailure(error);
    }
    setBusy(false);
  };
  const again = () => {
    keep(session, null);
    setRows(null);
  };
  return html`<${Head} title="Bulk adjustments" sub="Adds and deducts credits of many users from one sheet." />
    ${!mayChange ? html`<${Empty} title="Your role does not change balances">Ask an operator or an admin.<//>`
      : rows ? html`<${Sheet} session=${session} rows=${rows} setRows=${setRows} onAgain=${again} />`
        : html`<${Input} text=${text} setText=${setText} busy=${busy} failure=${failure} onCheck=${check} />`}`;
}

function Input({ text, setText, busy, failure, onCheck }) {
  const [wrong, setWrong] = useState("");
  const file = useRef();
  const take = async (event) => {
    const [chosen] = event.target.files;
    if (chosen) setText(await chosen.text());
  };
  const submit = (event) => {
    event.preventDefault();
    const fault = !text.trim() ? "Paste a sheet, or choose a file." : new Blob([text]).size > MOST_BYTES ? "The sheet is too long: at most 500 rows." : "";
    setWrong(fault);
    if (!fault && !busy) onCheck(text);
  };
  return html`<form class="stack sheet" onSubmit=${submit} novalidate>
    <${Field} label="Sheet" error=${wrong} hint="The first line names the columns: user, amount, reason, and id if you have your own. Commas, semicolons or tabs; at most 500 rows.">
      ${(given) => html`<textarea ...${given} rows="10" spellcheck=${false} placeholder="user,amount,reason" value=${text} onInput=${(event) => setText(event.target.value)}></textarea>`}<//>
    <${Field} label="Or a file">${(given) => html`<input ...${given} type="file" accept=".csv,.tsv,.txt,text/csv" ref=${file} onChange=${take} />`}<//>
    ${failure && html`<div class="trouble compact" role="alert"><p class="title">${failure.message}</p><p>Nothing was changed.</p></div>`}
    <p class="buttons"><button class="primary" aria-disabled=${busy ? "true" : undefined}>${busy ? "Checking every row…" : "Check the sheet"}</button>
      <button type="button" onClick=${() => save("adjustments.csv", [["user", "amount", "reason", "id"], ["user-1", 10, "Goodwill", "2026-11-goodwill-1"]])}>Download a template</button></p>
  </form>`;
}

const sum = (rows, of) => rows.reduce((total, row) => total + of(row), 0);

function Sheet({ session, rows, setRows, onAgain }) {
  const [isAsked, setAsked] = useState(false);
  const [running, setRunning] = useState(false);
  const [trouble, setTrouble] = useState(null);
  const [onlyFaults, setOnlyFaults] = useState(false);
  const stop = useRef(false);
  useEffect(() => () => { stop.current = true; }, []);
  const faulty = rows.filter((row) => row.status === "invalid");
  const open = rows.filter((row) => !isOver(row) && row.status !== "invalid" && row.status !== "refused" || row.status === "refused" && row.isPlan);
  const isBegun = rows.some((row) => isOver(row) || row.status === "unknown");
  const isDone = !open.length;
  const planned = rows.filter((row) => ["would_do", "done", "unknown", "not_reached"].includes(row.status));
  const refused = rows.filter((row) => row.status === "refused");
  const run = async () => {
    stop.current = false;
    setAsked(false);
    setRunning(true);
    setTrouble(null);
    let current = rows;
    const put = (found) => {
      const byId = new Map(found.map((row) => [row.id, row]));
      current = current.map((row) => (byId.has(row.id) ? { ...row, ...byId.get(row.id), line: row.line, isPlan: false } : row));
      keep(session, current);
      setRows(current);
    };
    for (let step = open; step.length && !stop.current;) {
      const part = step.slice(0, STEP);
      try {
        put((await send(asCsv(part), false)).rows);
      } catch (error) {
        if (!error.unchanged) put(part.map((row) => ({ ...row, status: "unknown" })));
        setTrouble(error.loggedOut ? null : error);
        break;
      }
      step = step.slice(STEP);
    }
    setRunning(false);
    if (current.every((row) => isOver(row))) {
      keep(session, null);
      say("Every row has its outcome. Download the report.");
    }
  };
  const lookUp = async () => {
    const part = rows.filter((row) => row.status === "unknown");
    setTrouble(null);
    try {
      const found = await send(asCsv(part), true);
      const byId = new Map(found.rows.map((row) => [row.id, row]));
      setRows(rows.map((row) => (byId.has(row.id) ? { ...row, ...byId.get(row.id), line: row.line, isPlan: byId.get(row.id).status !== "repeated" } : row)));
    } catch (error) {
      if (!error.loggedOut) setTrouble(error);
    }
  };
  const report = () => save(`adjustments-report-${today()}.csv`, [["line", "id", "user", "amount", "reason", "status", "code", "balance", "entry"],
    ...rows.map((row) => [row.line, row.id, row.userId, row.amount, row.reason, row.isPlan && row.status === "refused" ? "would be refused" : row.status, row.code, row.balance, row.seq])]);
  const shown = (onlyFaults ? rows.filter((row) => ["invalid", "refused", "unknown", "not_reached"].includes(row.status)) : rows).slice(0, SHOWN);
  const over = rows.length - open.length;
  const unknown = rows.some((row) => row.status === "unknown");
  return html`<${Figures} cls="small" figures=${[
      ["Rows", number(rows.length)], ["Users", number(new Set(rows.map((row) => row.userId)).size)],
      ["Added", number(sum(planned, (row) => Math.max(0, row.amount)))], ["Deducted", number(sum(planned, (row) => Math.max(0, -row.amount)))],
      ["Done before", number(rows.filter((row) => row.status === "repeated").length)], ["Refused", number(refused.length), { cls: refused.length ? "warn" : "" }], ["Not valid", number(faulty.length), { cls: faulty.length ? "warn" : "" }],
    ]} />
    ${running && html`<p role="status"><progress max=${rows.length} value=${over} aria-label="Rows that have their outcome"></progress> ${number(over)} of ${number(rows.length)} rows</p>`}
    ${trouble && html`<div class="trouble" role="alert"><p class="title">${trouble.message}</p>
      <p>${unknown ? "The answer to the last rows was lost. Look them up before you go on: no row is made twice, because each has its own id." : "The last rows were not carried out."}</p></div>`}
    ${faulty.length > 0 && html`<p class="verdict bad" role="alert"><${Badge} tone="bad">Not valid<//> Nothing can be run before these rows are right: correct the sheet and check it again.</p>`}
    ${isDone && isBegun && html`<p class="verdict good"><${Badge} tone="good">Done<//> Every row has its outcome.</p>`}
    <p class="buttons bar">
      ${unknown && !running && html`<button class="primary" onClick=${lookUp}>Look them up</button>`}
      ${!unknown && !running && !faulty.length && open.length > 0 && html`<button class="primary" onClick=${() => setAsked(true)}>${isBegun ? `Go on with ${number(open.length)} rows` : `Run ${number(open.length)} ${open.length === 1 ? "row" : "rows"}`}</button>`}
      ${running && html`<button onClick=${() => { stop.current = true; }}>Stop after this step</button>`}
      ${!running && html`<button onClick=${report}>Download the report</button><button onClick=${onAgain}>Another sheet</button>`}
      <label class="inline"><input type="checkbox" checked=${onlyFaults} onChange=${() => setOnlyFaults(!onlyFaults)} /> Only what needs a look</label></p>
    ${shown.length ? html`<${Table} caption="Rows of the sheet" columns=${columns} rows=${shown} rowKey=${(row) => row.line} />` : html`<${Empty} title="No row needs a look" />`}
    ${!onlyFaults && rows.length > SHOWN && html`<p class="quiet">The first ${number(SHOWN)} rows are shown; the report has all.</p>`}
    ${isAsked && html`<${Confirm} rows=${open} onClose=${() => setAsked(false)} onRun=${run} />`}`;
}

const columns = [
  { label: "Line", cls: "num", cell: (row) => number(row.line) },
  { label: "User", cls: "main", cell: (row) => html`${row.userId ? html`<a class="id" href=${href("users", row.userId, row.seq ? { entry: row.seq } : {})}>${row.userId}</a>` : html`<span class="quiet">none</span>`}<span class="why"><bdi>${row.reason}</bdi></span>` },
  { label: "Change", cls: "num strong", cell: (row) => html`<span class=${row.amount > 0 ? "up" : ""}>${change(row.amount)}</span>` },
  { label: "New balance", cls: "num", cell: (row) => (["refused", "invalid"].includes(row.status) ? "–" : number(row.balance)) },
  { label: "Outcome", cell: (row) => {
    const [label, tone] = STATUSES[row.status] || [row.status, ""];
    return html`<${Badge} tone=${tone}>${row.isPlan && row.status === "refused" ? "will be refused" : label}<//>${row.code && html` <span class="why">${FAULTS[row.code] || row.code.replaceAll("_", " ")}</span>`}`;
  } },
];

function Confirm({ rows, onClose, onRun }) {
  const made = rows.filter((row) => row.status !== "refused");
  const submit = (event) => {
    event.preventDefault();
    onRun();
  };
  return html`<${Dialog} title=${`Run ${number(rows.length)} rows?`} step="confirm" onClose=${onClose}><form class="stack" onSubmit=${submit}>
    <dl class="preview"><div><dt>Users</dt><dd class="num">${number(new Set(made.map((row) => row.userId)).size)}</dd></div>
      <div><dt>Added</dt><dd class="num up">${number(sum(made, (row) => Math.max(0, row.amount)))}</dd></div><div><dt>Deducted</dt><dd class="num">${number(sum(made, (row) => Math.max(0, -row.amount)))}</dd></div>
      <div class="total"><dt>Change of all balances</dt><dd class="num">${change(sum(made, (row) => row.amount))}</dd></div>
      ${rows.length > made.length && html`<div><dt>Will be refused</dt><dd class="num">${number(rows.length - made.length)}</dd></div>`}</dl>
    <p>Each row is made once, whatever happens, and can be undone in its user's story. Keep this page open; if it closes, it goes on where it stopped.</p>
    <${Buttons} back="Cancel" onBack=${onClose} act="Run" first=${true} /></form><//>`;
}
return { Bulk: Bulk };
})();
};
