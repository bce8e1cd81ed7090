// Products: what is sold, in versions; an edit is a new version.
import { html, useState } from "./html.js";
import { get } from "./api.js";
import { ListCsv, named } from "./csv.js";
import { Buttons, Dialog } from "./dialog.js";
import { credits, isolated, number } from "./format.js";
import { useLoad } from "./loading.js";
import { href } from "./router.js";
import { Badge, Empty, Field, Head, ReadState, say, Skeleton, Table } from "./ui.js";
import { Refused, Unknown, useOutcome, useWrite } from "./writes.js";

const SHOWN_UNITS = [1, 10, 100];
const UNITS = { call: "call", minute: "minute", thousand_characters: "1,000 characters", thousand_words: "1,000 words" };
const OVERAGES = { reject: "Refuse it", cap: "Charge at most what is held", owed: "Charge it, and owe what is missing" };
const FIGURES = { none: "Nothing: what was held is charged", duration: "The duration", words: "The number of words", characters: "The number of characters" };
const FIGURE_UNITS = { duration: "minute", words: "thousand_words", characters: "thousand_characters" };
const CSV = named("code version label unit creditsPerUnit mostUnits overage settledBy leastUnits lifetimeSeconds graceSeconds scope audience active");
const CODE = /^[a-z][a-z0-9_]{0,31}$/;

// The members of a product in the order of the form: `[label, how it is chosen or checked]`.
const MEMBERS = {
  label: ["Label", { text: /\S/, wrong: "A label of at most 80 characters.", most: 80 }],
  unit: ["Unit", { choices: UNITS }],
  creditsPerUnit: ["Credits a unit", { from: 1, to: 1000000 }],
  mostUnits: ["Most units of a hold", { from: 1, to: 1000000 }],
  overage: ["A charge beyond what is held", { choices: OVERAGES }],
  settledBy: ["A job is charged by", { choices: FIGURES }],
  leastUnits: ["Least units of a job", { from: 0, to: 1000000 }],
  lifetimeSeconds: ["Seconds that a hold is open", { from: 60, to: 86400 }],
  graceSeconds: ["Seconds of grace", { from: 20, to: 86400 }],
  scope: ["Scope of its tokens", { text: /^[a-z][a-z0-9:._-]{0,63}$/, wrong: "Small letters, digits and : . _ - only.", most: 64 }],
  audience: ["Audience of its tokens", { text: /^[a-z0-9][a-z0-9._:/-]{0,127}$/, wrong: "Small letters, digits and . _ : / - only.", most: 128 }],
};
const NEW = {
  code: "", version: 0, label: "", unit: "call", creditsPerUnit: 1, mostUnits: 1, overage: "reject", settledBy: "none", leastUnits: 0,
  lifetimeSeconds: 900, graceSeconds: 60, scope: "", audience: "", active: true,
};

const price = (product, units) => (units > product.mostUnits ? `more than one hold has (${number(product.mostUnits)})` : credits(units * product.creditsPerUnit));
const inWords = (name, value) => (name === "active" ? (value ? "on sale" : "off sale") : MEMBERS[name][1].choices?.[value] || (typeof value === "number" ? number(value) : value));
// The same where it is shown: identifiers may break anywhere.
const Value = ({ name, value }) => (["scope", "audience"].includes(name) ? html`<code>${value}</code>` : inWords(name, value));
const each = (product) => `${credits(product.creditsPerUnit)} a ${UNITS[product.unit]}`;
const State = ({ product }) => html`<${Badge} tone=${product.active ? "good" : ""}>${product.active ? "on sale" : "off sale"}<//>`;

export function Products({ session }) {
  const page = useLoad((signal) => get("/admin/products", {}, { signal }), []);
  const [isNew, setNew] = useState(false);
  const found = page.found?.products;
  const columns = [
    { label: "Product", cls: "main", cell: (product) => html`<a href=${href("products", product.code)}>${product.label}</a> <code class="why">${product.code}</code>` },
    { label: "Price", cls: "strong", cell: each },
    { label: "Most units", cls: "num", cell: (product) => number(product.mostUnits) },
    { label: "Version", cls: "num", cell: (product) => number(product.version) },
    { label: "State", cell: (product) => html`<${State} product=${product} />` },
  ];
  return html`<${Head} title="Products" page=${page} sub="What credits buy. An edit makes a new version; what was held or sold before keeps its own.">
      ${session.scopes.includes("admin") && found && html`<button class="primary" onClick=${() => setNew(true)}>New product</button>`}
      <${ListCsv} name="products" columns=${CSV} read=${() => get("/admin/products").then((answer) => ({ rows: answer.products }))} /><//>
    <${ReadState} page=${page} />
    ${!found && !page.failure && html`<${Skeleton} rows=${4} label="Loading products" />`}
    ${found && html`<${Table} caption="Products" columns=${columns} rows=${found} rowKey=${(product) => product.code} busy=${page.loading} />`}
    ${isNew && html`<${EditDialog} product=${NEW} onClose=${() => setNew(false)} onDone=${() => { setNew(false); page.reload(); }} />`}`;
}

export function Product({ id, session }) {
  const page = useLoad((signal) => get(`/admin/products/${encodeURIComponent(id)}`, {}, { signal }), [id]);
  const [dialog, setDialog] = useState("");
  const versions = page.found?.versions;
  if (!versions) {
    const isUnknown = page.failure?.status === 404;
    return html`<${Head} title=${id} />${!page.failure ? html`<${Skeleton} rows=${8} label="Loading the product" />`
      : isUnknown ? html`<${Empty} title="There is no such product"><a href=${href("products")}>All products</a><//>` : html`<${ReadState} page=${page} />`}`;
  }
  const [newest] = versions;
  const done = () => {
    setDialog("");
    page.reload();
  };
  return html`<p class="crumbs"><a href=${href("products")}>Products</a></p>
    <${Head} title=${newest.label} page=${page} sub=${html`<code>${newest.code}</code> version ${newest.version} <${State} product=${newest} />`}>
      ${session.scopes.includes("admin") && html`<button class="primary" onClick=${() => setDialog("edit")}>Edit</button>
        <button onClick=${() => setDialog("switch")}>${newest.active ? "Take off sale" : "Put on sale"}</button>`}<//>
    <${ReadState} page=${page} />
    <section aria-labelledby="now" class="facts"><h2 id="now">Now</h2><${Facts} product=${newest} /></section>
    <section aria-labelledby="versions"><h2 id="versions">Versions</h2><${Versions} versions=${versions} /></section>
    ${dialog === "edit" && html`<${EditDialog} product=${newest} onClose=${() => setDialog("")} onDone=${done} />`}
    ${dialog === "switch" && html`<${EditDialog} product=${newest} change=${{ active: !newest.active }} onClose=${() => setDialog("")} onDone=${done} />`}`;
}

function Facts({ product }) {
  return html`<dl class="preview">${SHOWN_UNITS.map((units) => html`<div key=${units}><dt>Price of ${number(units)}</dt><dd>${price(product, units)}</dd></div>`)}
    ${Object.entries(MEMBERS).filter(([name]) => name !== "label").map(([name, [label]]) => html`<div key=${name}><dt>${label}</dt><dd><${Value} name=${name} value=${product[name]} /></dd></div>`)}</dl>`;
}

// Each version with what it changed of the one before.
function Versions({ versions }) {
  const columns = [
    { label: "Version", cls: "strong", cell: ([version]) => `Version ${version.version}` },
    { label: "What it changed", cls: "main", cell: ([version, before]) => (before ? differences(before, version).map((change) => html`<${Change} ...${change} key=${change.label} />`) : "the first one") },
    { label: "Price", cell: ([version]) => each(version) },
    { label: "State", cell: ([version]) => html`<${State} product=${version} />` },
  ];
  const rows = versions.map((version, place) => [version, versions[place + 1]]);
  return html`<${Table} caption="Versions, newest first" columns=${columns} rows=${rows} rowKey=${([version]) => version.version} />`;
}

const Change = ({ label, name, from, to }) => html`<span class="change">${label}: <${Value} name=${name} value=${from} /> → <${Value} name=${name} value=${to} /></span>`;

// What differs between two versions: `{ label, name, from, to }` of each member.
function differences(before, after) {
  const names = [...Object.keys(MEMBERS), "active"].filter((name) => before[name] !== after[name]);
  return names.map((name) => ({ label: MEMBERS[name]?.[0] || "Sale", name, from: before[name], to: after[name] }));
}

// What is wrong with a draft, by member, as the gateway would say it.
function faults(draft) {
  const found = {};
  for (const [name, [, { text, wrong, most, from, to }]] of Object.entries(MEMBERS)) {
    const value = String(draft[name]).trim();
    if (text && (!text.test(value) || value.length > most)) found[name] = wrong;
    if (to && !(/^[0-9]{1,7}$/.test(value) && Number(value) >= from && Number(value) <= to)) found[name] = `A whole number from ${number(from)} to ${number(to)}.`;
  }
  if (!CODE.test(draft.code)) found.code = "Small letters, digits and _ only, a letter first, at most 32.";
  if (draft.settledBy !== "none" && FIGURE_UNITS[draft.settledBy] !== draft.unit) found.settledBy = `This figure is counted in ${UNITS[FIGURE_UNITS[draft.settledBy]]} units.`;
  if (!found.leastUnits && Number(draft.leastUnits) > Number(draft.mostUnits)) found.leastUnits = "Not more than the most units of a hold.";
  if (!found.mostUnits && draft.creditsPerUnit * draft.mostUnits > 1000000) found.mostUnits = "The most units may cost 1,000,000 credits.";
  return found;
}

// The draft with numbers as numbers and texts without blanks around them.
const cleaned = (draft) => ({ ...draft, ...Object.fromEntries(Object.entries(MEMBERS).map(([name, [, { to }]]) => [name, to ? Number(draft[name]) : String(draft[name]).trim()])) });

// `change` is a change that needs no form, such as taking the product off sale.
function EditDialog({ product, change, onClose, onDone }) {
  const isNew = !product.version;
  const [draft, setDraft] = useState({ ...product, ...change });
  const [reason, setReason] = useState("");
  const [step, setStep] = useState(change ? "confirm" : "form");
  const [tried, setTried] = useState(false);
  const act = `product:${product.code || draft.code}`;
  const write = useWrite(act);
  useOutcome(act, (done) => (done ? onDone() : write.forget()));
  const wrong = faults(draft);
  const made = cleaned(draft);
  const set = (name) => (event) => setDraft({ ...draft, [name]: event.target.value });
  const isChanged = isNew || differences(product, made).length > 0;
  const noReason = reason.trim() ? "" : "A reason is required. The audit keeps it.";
  const review = (event) => {
    event.preventDefault();
    setTried(true);
    if (Object.keys(wrong).length || !isChanged) return;
    setTried(false);
    setStep("confirm");
  };
  const confirm = async (event) => {
    event.preventDefault();
    setTried(true);
    if (noReason || write.busy) return;
    const members = Object.fromEntries([...Object.keys(MEMBERS), "active"].map((name) => [name, made[name]]));
    const body = { ...members, code: made.code, version: product.version, reason: reason.trim() };
    const about = { kind: "product", code: made.code, version: product.version + 1, members, once: true, text: `Save version ${product.version + 1} of “${isolated(made.code)}”` };
    const answer = await write.send("/admin/products", body, about);
    if (!answer) return;
    say(`“${isolated(made.label)}” is saved as version ${answer.product.version}. New holds have it within half a minute.`);
    onDone();
  };
  const title = isNew ? "New product" : change ? (change.active ? "Put this product on sale?" : "Take this product off sale?") : `Edit ${product.label}`;
  if (write.pending) {
    return html`<${Dialog} title=${title} step="unknown" onClose=${onClose}>
      <${Unknown} write=${write.pending} /><${Buttons} back="Close" onBack=${onClose} /><//>`;
  }
  if (step === "confirm") {
    const isOvertaken = write.failure?.code === "product_changed";
    return html`<${Dialog} title=${change ? title : `Save version ${product.version + 1}?`} step="confirm" onClose=${onClose} busy=${write.busy}><form class="stack" onSubmit=${confirm} novalidate>
      <${Difference} before=${product} after=${made} isNew=${isNew} />
      <${Field} label="Reason" error=${tried && noReason}>
        ${(given) => html`<input ...${given} dir="auto" data-first maxlength="200" autocomplete="off" value=${reason} onInput=${(event) => setReason(event.target.value)} />`}<//>
      ${isOvertaken ? html`<${Overtaken} failure=${write.failure} isNew=${isNew} />` : html`<${Refused} failure=${write.failure} />`}
      <${Buttons} back=${isOvertaken ? "Show the newest version" : change ? "Cancel" : "Back"} onBack=${isOvertaken ? onDone : change ? onClose : () => { write.forget(); setStep("form"); }} busy=${write.busy} doing="Saving…"
        act=${write.failure?.definite ? "" : write.failure ? "Try again" : "Save"} /></form><//>`;
  }
  return html`<${Dialog} title=${title} step="form" cls="wide" onClose=${onClose}>
    <form class="stack" onSubmit=${review} novalidate>
      ${isNew && html`<${Field} label="Code" hint="Callers and entries name the product by it. It cannot be changed." error=${tried && wrong.code}>
        ${(given) => html`<input ...${given} data-first autocomplete="off" autocapitalize="none" spellcheck=${false} maxlength="32" value=${draft.code} onInput=${set("code")} />`}<//>`}
      <div class="pairs">${Object.entries(MEMBERS).map(([name, [label, { choices, to, most }]], place) => html`<${Field} key=${name} label=${label} error=${tried && wrong[name]}>
        ${(given) => (choices ? html`<select ...${given} value=${draft[name]} onChange=${set(name)}>${Object.entries(choices).map(([value, text]) => html`<option value=${value} selected=${value === draft[name]} key=${value}>${text}</option>`)}</select>`
          : html`<input ...${given} data-first=${!isNew && !place ? true : undefined} inputmode=${to ? "numeric" : undefined} maxlength=${most || 7} autocomplete="off" value=${draft[name]} onInput=${set(name)} />`)}<//>`)}</div>
      <${Prices} product=${made} wrong=${wrong} />
      ${tried && !isChanged && html`<p class="error" role="alert">Nothing differs from version ${product.version}.</p>`}
      ${tried && Object.keys(wrong).length > 0 && html`<p class="error" role="alert">Some of these members are not right yet.</p>`}
      <${Buttons} back="Cancel" onBack=${onClose} act="Review" />
    </form><//>`;
}

function Prices({ product, wrong }) {
  const isKnown = !wrong.creditsPerUnit && !wrong.mostUnits;
  return html`<p class="quiet" role="status">${isKnown ? SHOWN_UNITS.map((units) => `${number(units)}: ${price(product, units)}`).join(" · ") : "The prices are shown once credits and units are right."}</p>`;
}

function Difference({ before, after, isNew }) {
  const changes = isNew ? Object.entries(MEMBERS).map(([name, [label]]) => ({ label, name, to: after[name] })) : differences(before, after);
  const prices = SHOWN_UNITS.map((units) => [`Price of ${number(units)}`, isNew ? "" : price(before, units), price(after, units)]);
  return html`<dl class="preview difference">
      ${changes.map(({ label, name, from, to }) => html`<div key=${label}><dt>${label}</dt><dd>${isNew ? "" : html`<s><${Value} name=${name} value=${from} /></s> → `}<b><${Value} name=${name} value=${to} /></b></dd></div>`)}
      ${prices.map(([label, from, to]) => html`<div key=${label}><dt>${label}</dt><dd>${from && from !== to ? html`<s>${from}</s> → ` : ""}<b>${to}</b></dd></div>`)}</dl>
    <p class="quiet">${isNew ? "" : "Open holds and sold tokens keep their version. "}${after.active ? "" : "No new hold or token of it can be had; open ones are settled as before."}</p>`;
}

function Overtaken({ failure, isNew }) {
  return html`<div class="trouble compact" role="alert"><p class="title">${isNew ? "There is a product with this code already." : `Somebody else saved version ${failure.details.version} meanwhile.`}</p>
    <p>Nothing was changed by this edit. Look at the newest version, then make the edit again.</p></div>`;
}
