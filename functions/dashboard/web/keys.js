// API keys: made here, shown once.
import { html, useState } from "./html.js";
import { call, get } from "./api.js";
import { Ago, Time } from "./format.js";
import { Badge, Copy, Dialog, Empty, Field, Head, say, Skeleton, Table, Trouble, useLoad, WriteTrouble } from "./ui.js";
import { who } from "./words.js";

const SCOPES = {
  "credits:write": "Add and take off credits",
  "users:read": "Read users, transactions and figures",
  "subscriptions:write": "Change subscriptions",
  "keys:write": "Make and revoke keys",
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
    { label: "What for", cls: "main", cell: (key) => html`${key.description} ${key.revokedAt && html`<${Badge} tone="bad">revoked<//>`}` },
    { label: "Key", cls: "who", cell: (key) => html`<code>${key.hint || key.id}</code>` },
    { label: "Scopes", cell: (key) => html`<span class="tags">${key.scopes.map((scope) => html`<${Badge} key=${scope}>${scope}<//>`)}</span>` },
    { label: "Made", cls: "when", cell: (key) => html`<${Time} at=${key.createdAt} style="day" /> <span class="quiet">by ${who(key.createdBy)}</span>` },
    { label: "Last used", cls: "when", cell: (key) => html`<${Ago} at=${key.lastUsedAt} />` },
    { label: "Revoke", cls: "act", cell: (key) => (key.revokedAt ? html`<span class="quiet">since <${Time} at=${key.revokedAt} style="day" /></span>`
      : mayChange && html`<button class="small" aria-label=${`Revoke ${key.description}`} onClick=${() => setDialog({ revoke: key })}>Revoke</button>`) },
  ];
  return html`<${Head} title="API keys">${mayChange && html`<button class="primary" onClick=${() => setDialog({ make: true })}>New key</button>`}<//>
    ${page.failure && html`<${Trouble} failure=${page.failure} retry=${page.reload} />`}
    ${!keys && page.loading && html`<${Skeleton} rows=${5} label="Loading keys" />`}
    ${keys && !page.failure && (keys.length ? html`<${Table} caption="API keys" columns=${columns} rows=${keys} rowKey=${(key) => key.id} busy=${page.loading} />`
      : html`<${Empty} title="There are no keys yet">A key lets a back end add credits or read users without an operator.<//>`)}
    ${dialog?.make && html`<${Make} onClose=${done} scopes=${session.scopes} />`}
    ${dialog?.revoke && html`<${Revoke} apiKey=${dialog.revoke} onClose=${close} onDone=${done} />`}`;
}

function Make({ onClose, scopes: own }) {
  const [description, setDescription] = useState("");
  const [scopes, setScopes] = useState(["credits:write"]);
  const [tried, setTried] = useState(false);
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState(null);
  const [made, setMade] = useState(null);
  const toggle = (scope) => setScopes(scopes.includes(scope) ? scopes.filter((one) => one !== scope) : [...scopes, scope]);
  const submit = async (event) => {
    event.preventDefault();
    setTried(true);
    if (!description.trim() || !scopes.length) return;
    setBusy(true);
    try {
      setMade(await call("POST", "/admin/generate-key", { body: { description: description.trim(), scopes } }));
    } catch (error) {
      if (error.code !== "session_ended") setFailure(error);
    }
    setBusy(false);
  };
  if (made) {
    return html`<${Dialog} title="The key, shown this once" onClose=${onClose}>
      <p>Copy it now: only its hash is kept, so nobody can show it again.</p>
      <div class="secret"><code>${made.key || made.apiKey}</code><${Copy} text=${made.key || made.apiKey} label="Copy the key" /></div>
      <footer><button class="primary" onClick=${onClose}>I have it</button></footer><//>`;
  }
  return html`<${Dialog} title="New API key" onClose=${onClose} busy=${busy}>
    <form class="stack" onSubmit=${submit} novalidate>
      <${Field} label="What is it for?" error=${tried && !description.trim() && "Say who uses it, so that one knows what stops when it is revoked."}>
        ${(given) => html`<input ...${given} maxlength="100" autocomplete="off" data-first value=${description} onInput=${(event) => setDescription(event.target.value)} />`}<//>
      <fieldset><legend>What may it do?</legend>${Object.entries(SCOPES).filter(([scope]) => own.includes(scope)).map(([scope, label]) => html`
        <label class="check" key=${scope}><input type="checkbox" checked=${scopes.includes(scope)} onChange=${() => toggle(scope)} /> <span>${label} <code>${scope}</code></span></label>`)}
        ${tried && !scopes.length && html`<p class="error">Choose at least one.</p>`}</fieldset>
      <${WriteTrouble} failure=${failure} />
      <footer><button type="button" onClick=${onClose}>Cancel</button><button class="primary" disabled=${busy}>${busy ? "Making…" : "Make the key"}</button></footer>
    </form><//>`;
}

function Revoke({ apiKey, onClose, onDone }) {
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState(null);
  const confirm = async () => {
    setBusy(true);
    try {
      await call("DELETE", `/admin/keys/${encodeURIComponent(apiKey.id)}`);
      say(`The key “${apiKey.description}” is revoked.`);
      onDone();
    } catch (error) {
      if (error.code !== "session_ended") setFailure(error);
      setBusy(false);
    }
  };
  return html`<${Dialog} title="Revoke this key?" onClose=${onClose} busy=${busy}>
    <p><b>${apiKey.description}</b> stops working at once and for ever. Last used: <${Ago} at=${apiKey.lastUsedAt} />.</p>
    <${WriteTrouble} failure=${failure} />
    <footer><button onClick=${onClose} disabled=${busy}>Keep it</button><button class="danger" disabled=${busy} onClick=${confirm}>${busy ? "Revoking…" : "Revoke"}</button></footer><//>`;
}
