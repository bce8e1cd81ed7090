// Operators of the dashboard: who may log in, as what, and when they last did.
import { html, useState } from "./html.js";
import { get } from "./api.js";
import { ListCsv, named } from "./csv.js";
import { Decision, noReason, Reason } from "./decision.js";
import { Dialog } from "./dialog.js";
import { Ago, isolated, Time } from "./format.js";
import { useLoad } from "./loading.js";
import { href } from "./router.js";
import { Badge, Copy, Empty, Field, Head, ReadState, say, Skeleton, Table } from "./ui.js";

const ROLES = {
  viewer: "reads users, entries, payments, all lists and the audit; changes nothing",
  operator: "also adds and deducts credits, ends holds, decides about payments and requests, edits packs, manages subscriptions, sends notices again",
  admin: "also manages API keys, products, the policy for apps and operators, and erases a person's data",
};
const CSV = named("name role disabled lastLoginAt createdAt");
const NAME = /^[a-z][a-z0-9._-]{1,31}$/;
const pathOf = (name, act = "") => `/admin/operators/${encodeURIComponent(name)}${act}`;

export function Operators({ session }) {
  const page = useLoad((signal) => get("/admin/operators", {}, { signal }), []);
  const [dialog, setDialog] = useState(null);
  const [made, setMade] = useState(null);
  const found = page.found?.operators;
  const close = () => setDialog(null);
  const done = (answer) => {
    close();
    if (answer?.password) setMade(answer);
    page.reload();
  };
  const act = (kind, of) => () => setDialog({ kind, of });
  const columns = [
    { label: "Name", cls: "main", cell: (one) => html`<b>${one.name}</b> ${one.disabled && html`<${Badge} tone="bad">disabled<//>`} ${one.name === session.name && html`<${Badge}>you<//>`}
      <a class="why" href=${href("audit", "", { user: `operator:${one.name}` })}>audit records</a>` },
    { label: "Role", cell: (one) => one.role },
    { label: "Last log-in", cls: "when", cell: (one) => html`<${Ago} at=${one.lastLoginAt} />` },
    { label: "Created", cls: "when", cell: (one) => html`<${Time} at=${one.createdAt} style="day" />` },
    { label: "Change", cls: "act", cell: (one) => html`<span class="buttons">${one.name !== session.name && html`
      <button class="small" aria-label=${`Role of ${one.name}`} onClick=${act("role", one)}>Role</button>
      <button class="small" aria-label=${`Password of ${one.name}`} onClick=${act("password", one)}>Password</button>
      <button class="small" aria-label=${`${one.disabled ? "Enable" : "Disable"} ${one.name}`} onClick=${act("disable", one)}>${one.disabled ? "Enable" : "Disable"}</button>`}
      <button class="small" aria-label=${`Log out ${one.name}`} onClick=${act("log-out", one)}>Log out</button></span>` },
  ];
  return html`<${Head} title="Operators" page=${page} sub="People who may log in here. A new role counts from the next request on.">
      ${found && html`<button class="primary" onClick=${act("create")}>New operator</button>`}
      <${ListCsv} name="operators" columns=${CSV} read=${() => get("/admin/operators").then((answer) => ({ rows: answer.operators }))} /><//>
    <${ReadState} page=${page} />
    ${!found && !page.failure && html`<${Skeleton} rows=${5} label="Loading operators" />`}
    ${found && (found.length ? html`<${Table} caption="Operators by name" columns=${columns} rows=${found} rowKey=${(one) => one.name} busy=${page.loading} />`
      : html`<${Empty} title="No operator is listed">One that an earlier version created is listed from the next log-in on.<//>`)}
    ${found && html`<section aria-labelledby="roles"><h2 id="roles" class="later">What each role may do</h2><dl class="facts texts">${Object.entries(ROLES).map(([name, text]) => html`<div key=${name}><dt>${name}</dt><dd>${text}</dd></div>`)}</dl>
      <p class="quiet small">An operator is disabled, not removed, as the ledger and the audit name them. Nobody changes their own role, so an admin always stays.</p></section>`}
    ${dialog && html`<${Act} key=${`${dialog.kind}${dialog.of?.name}`} kind=${dialog.kind} one=${dialog.of} onClose=${close} onDone=${done} />`}
    ${made && html`<${Shown} made=${made} onClose=${() => setMade(null)} />`}`;
}

const ACTS = {
  create: { title: () => "New operator", verb: "Create the operator", doing: "Creating…" },
  role: { title: (one) => `The role of ${one.name}`, verb: "Change the role", doing: "Changing…" },
  password: { title: (one) => `A new password for ${one.name}?`, verb: "Set a new password", doing: "Setting…", text: "The old password stops working and every session of this operator ends.", path: "/password" },
  disable: { title: (one) => `${one.disabled ? "Enable" : "Disable"} ${one.name}?`, doing: "Sending…" },
  "log-out": { title: (one) => `Log ${one.name} out everywhere?`, verb: "Log out everywhere", doing: "Sending…", text: "Every session ends. The password stays.", path: "/log-out" },
};

function Act({ kind, one, onClose, onDone }) {
  const [name, setName] = useState("");
  const [role, setRole] = useState(one?.role || "viewer");
  const [reason, setReason] = useState("");
  const how = ACTS[kind];
  const isNew = kind === "create";
  const subject = isNew ? name : one.name;
  const wrong = {
    name: isNew && !NAME.test(name) ? "2 to 32 small letters, digits and . _ -, a letter first." : "",
    role: kind === "role" && role === one.role ? "This is the role already." : "", reason: noReason(reason),
  };
  const bodies = {
    create: () => ["/admin/operators", { name, role }, { kind: "operator", name, members: {}, then: "The password was not shown: set a new one." }],
    role: () => [pathOf(subject), { role }, { kind: "operator", name: subject, members: { role } }],
    disable: () => [pathOf(subject), { disabled: !one.disabled }, { kind: "operator", name: subject, members: { disabled: !one.disabled } }],
    password: () => [pathOf(subject, how.path), {}, { kind: "audited", subject: `operator:${subject}`, action: "operator_password", reason: reason.trim(), then: "The password was not shown: set another one." }],
    "log-out": () => [pathOf(subject, how.path), {}, { kind: "audited", subject: `operator:${subject}`, action: "operator_log_out", reason: reason.trim() }],
  };
  const make = () => {
    if (wrong.name || wrong.role || wrong.reason) return null;
    const [path, body, about] = bodies[kind]();
    // A repeat would make another password.
    return { path, body: { ...body, reason: reason.trim() }, about: { once: !["create", "password"].includes(kind), after: new Date().toISOString(), text: `${how.title(one || {}).replace("?", "")}${isNew ? ` ${isolated(name)}` : ""}`, ...about } };
  };
  const verb = kind === "disable" ? (one.disabled ? "Enable" : "Disable") : how.verb;
  const text = kind === "disable" ? (one.disabled ? "The log-in is possible again." : "The log-in is refused and every session ends.") : how.text;
  return html`<${Decision} title=${how.title(one || {})} act=${`operator:${kind}:${isNew ? "" : one.name}`} verb=${verb} doing=${how.doing} danger=${kind === "disable" && !one.disabled} make=${make}
      onMade=${() => say(isNew ? `${isolated(name)} may log in as ${role}.` : `${isolated(subject)} is changed.`)} onClose=${onClose} onDone=${onDone}>${(tried) => html`
    ${text && html`<p>${text}</p>`}
    ${isNew && html`<${Field} label="Name" hint="The audit names them by it. It cannot be changed." error=${tried && wrong.name}>${(given) => html`<input ...${given} data-first maxlength="32" autocomplete="off" autocapitalize="none" spellcheck=${false} value=${name} onInput=${(event) => setName(event.target.value.trim())} />`}<//>`}
    ${(isNew || kind === "role") && html`<${Field} label="Role" error=${tried && wrong.role}>${(given) => html`<select ...${given} data-first=${!isNew || undefined} value=${role} onChange=${(event) => setRole(event.target.value)}>${Object.keys(ROLES).map((value) => html`<option value=${value} selected=${value === role} key=${value}>${value}</option>`)}</select>`}<//><p class="quiet small">${role} ${ROLES[role]}.</p>`}
    <${Reason} value=${reason} set=${setReason} first=${!isNew && kind !== "role"} wrong=${tried && wrong.reason} />`}<//>`;
}

function Shown({ made, onClose }) {
  return html`<${Dialog} title="The password, shown once" step="made">
    <p>Give it to <b>${made.operator.name}</b> now: only its hash is stored, so it cannot be shown again.</p>
    <div class="secret"><code>${made.password}</code><${Copy} text=${made.password} label="Copy the password" /></div>
    <footer><button class="primary" data-first onClick=${onClose}>I have copied it</button></footer><//>`;
}
