// API keys: created here, shown once.
import { html, useState } from "./html.js";
import { get } from "./api.js";
import { ListCsv, named } from "./csv.js";
import { Buttons, Dialog } from "./dialog.js";
import { Ago, isolated, Time } from "./format.js";
import { useLoad } from "./loading.js";
import { href } from "./router.js";
import { Badge, Copy, Empty, Field, Head, ReadState, say, Skeleton, Table } from "./ui.js";
import { who } from "./words.js";
import { Refused, Unknown, useOutcome, useWrite } from "./writes.js";

const CSV = [...named("id hint description"), ["scopes", (key) => key.scopes.join(" ")], ...named("createdAt createdBy lastUsedAt revokedAt")];
const SCOPES = {
  "credits:write": "Add and deduct credits",
  "users:read": "Read users, transactions and figures",
  "holds:write": "Hold and charge credits, end holds",
  "subscriptions:write": "Change subscriptions",
  "keys:write": "Create and revoke keys",
  admin: "Everything",
};

export function Keys({ session }) {
  const page = useLoad((signal) => get("/admin/keys", {}, { signal }), []);
  const [dialog, setDialog] = useState(null);
  const keys = page.found?.keys;
  const mayChange = session.scopes.includes("keys:write");
  const close = () => setDialog(null);
  const done = () => {
    close();
    page.reload();
  };
  const columns = [
    { label: "Purpose", cls: "main", cell: (key) => html`<a href=${href("keys", key.id)}><bdi>${key.description}</bdi></a> ${key.revokedAt && html`<${Badge} tone="bad">revoked<//>`}` },
    { label: "Key", cls: "who", cell: (key) => html`<code>${key.hint || key.id}</code>` },
    { label: "Scopes", cell: (key) => html`<span class="tags">${key.scopes.map((scope) => html`<${Badge} key=${scope}>${scope}<//>`)}</span>` },
    { label: "Created", cls: "when", cell: (key) => html`<${Time} at=${key.createdAt} style="day" /> <span class="quiet">by ${who(key.createdBy)}</span>` },
    { label: "Last used", cls: "when", cell: (key) => html`<${Ago} at=${key.lastUsedAt} />` },
    { label: "Revoke", cls: "act", cell: (key) => (key.revokedAt ? html`<span class="quiet">since <${Time} at=${key.revokedAt} style="day" /></span>`
      : mayChange && html`<button class="small" aria-label=${`Revoke ${key.description}`} onClick=${() => setDialog({ revoke: key })}>Revoke</button>`) },
  ];
  return html`<${Head} title="API keys" page=${page}>${mayChange && keys && html`<button class="primary" onClick=${() => setDialog({ make: true })}>New key</button>`}
      <${ListCsv} name="keys" columns=${CSV} read=${() => get("/admin/keys").then((answer) => ({ rows: answer.keys }))} /><//>
    <${ReadState} page=${page} />
    ${!keys && !page.failure && html`<${Skeleton} rows=${5} label="Loading keys" />`}
    ${keys && (keys.length ? html`<${Table} caption="API keys" columns=${columns} rows=${keys} rowKey=${(key) => key.id} busy=${page.loading} />`
      : html`<${Empty} title="There are no keys yet">A key lets a back end add credits or read users without an operator.<//>`)}
    ${dialog?.make && html`<${Make} onClose=${done} scopes=${session.scopes} known=${keys.map((key) => key.id)} />`}
    ${dialog?.revoke && html`<${Revoke} apiKey=${dialog.revoke} onClose=${close} onDone=${done} />`}`;
}

function Make({ onClose, scopes: own, known }) {
  const [description, setDescription] = useState("");
  const [scopes, setScopes] = useState(["credits:write"]);
  const [tried, setTried] = useState(false);
  const [made, setMade] = useState(null);
  const write = useWrite("key");
  useOutcome("key", (done) => done && onClose());
  const toggle = (scope) => setScopes(scopes.includes(scope) ? scopes.filter((one) => one !== scope) : [...scopes, scope]);
  const submit = async (event) => {
    event.preventDefault();
    setTried(true);
    const purpose = description.trim();
    if (!purpose || !scopes.length || write.busy) return;
    const about = { kind: "key", description: purpose, known, text: `Create the API key “${isolated(purpose)}”`, then: "Its secret was not shown: revoke it and create another." };
    setMade(await write.send("/admin/generate-key", { description: purpose, scopes }, about));
  };
  if (made) {
    return html`<${Dialog} title="The key, shown once" step="made">
      <p>Copy it now: only its hash is stored, so it cannot be shown again.</p>
      <div class="secret"><code>${made.key || made.apiKey}</code><${Copy} text=${made.key || made.apiKey} label="Copy the key" /></div>
      <footer><button class="primary" data-first onClick=${onClose}>I have copied it</button></footer><//>`;
  }
  if (write.pending) {
    return html`<${Dialog} title="New API key" step="unknown" onClose=${onClose}>
      <${Unknown} write=${write.pending} /><${Buttons} back="Close" onBack=${onClose} /><//>`;
  }
  return html`<${Dialog} title="New API key" step="form" onClose=${onClose} busy=${write.busy}>
    <form class="stack" onSubmit=${submit} novalidate>
      <${Field} label="Purpose" error=${tried && !description.trim() && "A purpose is required: it says what stops when the key is revoked."}>
        ${(given) => html`<input ...${given} dir="auto" maxlength="100" autocomplete="off" data-first value=${description} onInput=${(event) => setDescription(event.target.value)} />`}<//>
      <fieldset><legend>Scopes</legend>${Object.entries(SCOPES).filter(([scope]) => own.includes(scope)).map(([scope, label]) => html`
        <label class="check" key=${scope}><input type="checkbox" checked=${scopes.includes(scope)} onChange=${() => toggle(scope)} /> <span>${label} <code>${scope}</code></span></label>`)}
        ${tried && !scopes.length && html`<p class="error">Choose at least one.</p>`}</fieldset>
      <${Refused} failure=${write.failure} />
      <${Buttons} back="Cancel" onBack=${onClose} busy=${write.busy} doing="Creating…" act=${write.failure?.definite ? "" : write.failure ? "Try again" : "Create the key"} />
    </form><//>`;
}

function Revoke({ apiKey, onClose, onDone }) {
  const act = `revoke:${apiKey.id}`;
  const write = useWrite(act);
  useOutcome(act, (done) => done && onDone());
  const confirm = async (event) => {
    event.preventDefault();
    if (write.busy) return;
    const about = { kind: "revoked", id: apiKey.id, once: true, text: `Revoke the key “${isolated(apiKey.description)}”` };
    const made = await write.send(`/admin/keys/${encodeURIComponent(apiKey.id)}`, undefined, about, "DELETE");
    if (!made) return;
    say(`The key “${isolated(apiKey.description)}” is revoked.`);
    onDone();
  };
  const title = "Revoke this key?";
  if (write.pending) {
    return html`<${Dialog} title=${title} step="unknown" onClose=${onClose}>
      <${Unknown} write=${write.pending} /><${Buttons} back="Close" onBack=${onClose} /><//>`;
  }
  return html`<${Dialog} title=${title} step="form" onClose=${onClose} busy=${write.busy}><form class="stack" onSubmit=${confirm}>
    <p><b><bdi>${apiKey.description}</bdi></b> stops working at once. This cannot be undone. Last used: <${Ago} at=${apiKey.lastUsedAt} />.</p>
    <${Refused} failure=${write.failure} />
    <${Buttons} back="Keep it" onBack=${onClose} busy=${write.busy} doing="Revoking…" danger=${true} first=${true} act=${write.failure?.definite ? "" : write.failure ? "Try again" : "Revoke"} /></form><//>`;
}
