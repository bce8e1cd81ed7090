// The policy for apps: versions, switches, messages and links that every app follows within two minutes.
import { html, useState } from "./html.js";
import { get } from "./api.js";
import { Decision, noReason, Reason } from "./decision.js";
import { number, Time, zone } from "./format.js";
import { useLoad } from "./loading.js";
import { Badge, Empty, Field, Head, ReadState, say, Skeleton, Table } from "./ui.js";
import { who } from "./words.js";

const MOST_CODE = 2000000000;
const UPDATES = { none: ["works", "good"], soft: ["update suggested", "warn"], hard: ["update required", "warn"] };
const MODES = { none: "No update is shown", soft: "An update is suggested", hard: "An update is required" };
const LINK = /^(https:\/\/[!-~]{1,492})?$/;

// The members in the order of the form: `[label, how it is chosen or checked, hint]`.
const MEMBERS = {
  minimumVersionCode: ["Lowest version code", { code: true }, "Apps below it are refused."],
  recommendedVersionCode: ["Recommended version code", { code: true }, "Apps below it suggest an update."],
  latestVersionCode: ["Newest version code", { code: true }],
  updateMode: ["Update", { choices: MODES }],
  forceUpdate: ["Update at once", { choices: { false: "no", true: "yes" } }],
  transcriptionSubmit: ["New videos", { choices: { true: "are taken", false: "are refused" } }],
  messageShort: ["Short message", { most: 80 }, "One line, such as on a button."],
  message: ["Message", { most: 300 }, "What people read first."],
  messageDetail: ["More about it", { most: 1000 }],
  apkUrl: ["Newest release", { link: true }, "The https address of the Android file."],
  playStoreUrl: ["Google Play", { link: true }],
  iosUrl: ["App Store", { link: true }],
  fallbackUrl: ["Another address", { link: true }],
};
const NAMES = Object.keys(MEMBERS);
const labelOf = (name) => MEMBERS[name]?.[0] || name;

function Value({ name, value }) {
  const text = MEMBERS[name][1].choices?.[value] ?? (typeof value === "number" ? String(value) : value);
  if (text === "") return html`<span class="quiet">none</span>`;
  return MEMBERS[name][1].link ? html`<code>${text}</code>` : html`<bdi>${text}</bdi>`;
}

const differences = (before, after) => NAMES.filter((name) => before[name] !== after[name]);

export function Policy({ session }) {
  const page = useLoad((signal) => get("/admin/app-policy", {}, { signal }), []);
  const [isEdited, setEdited] = useState(false);
  const found = page.found;
  const done = () => {
    setEdited(false);
    page.reload();
  };
  return html`<${Head} title="Policy for apps" page=${page} sub="What apps are told without a deployment: versions, messages, whether videos are taken.">
      ${session.scopes.includes("admin") && found && html`<button class="primary" onClick=${() => setEdited(true)}>Change</button>`}<//>
    <${ReadState} page=${page} />
    ${!found && !page.failure && html`<${Skeleton} rows=${8} label="Loading the policy" />`}
    ${found && html`<div class="columns"><section aria-labelledby="now"><h2 id="now">Now <span class="unit">version ${found.version}</span></h2>
        <dl class="facts">${NAMES.map((name) => html`<div key=${name}><dt>${labelOf(name)}</dt><dd><${Value} name=${name} value=${found.policy[name]} /></dd></div>`)}</dl></section>
      <aside><section aria-labelledby="phone"><h2 id="phone">On a phone</h2><${Phone} policy=${found.policy} /></section></aside></div>
      <section aria-labelledby="history"><h2 id="history" class="later">Changes</h2><${History} versions=${found.history} /></section>`}
    ${isEdited && html`<${EditDialog} seen=${found} onClose=${() => setEdited(false)} onDone=${done} />`}`;
}

// What apps of the versions around the limits see.
function Phone({ policy }) {
  const { minimumVersionCode: least, recommendedVersionCode: wanted } = policy;
  const lines = [
    least > 1 && [`Below version ${least}`, "refused", "bad"],
    wanted > least && [least > 1 ? `Versions ${least} to ${wanted - 1}` : `Below version ${wanted}`, ...UPDATES[policy.updateMode]],
    [`Version ${Math.max(least, wanted)} and above`, "works", "good"],
  ].filter(Boolean);
  return html`<dl class="preview">${lines.map(([label, text, tone]) => html`<div key=${label}><dt>${label}</dt><dd><${Badge} tone=${tone}>${text}<//></dd></div>`)}
      <div><dt>New videos</dt><dd>${policy.transcriptionSubmit ? html`<${Badge} tone="good">are taken<//>` : html`<${Badge} tone="bad">are refused<//>`}</dd></div></dl>
    ${policy.message || policy.messageShort ? html`<div class="note-box"><p class="title"><bdi>${policy.messageShort || "Message"}</bdi></p><p><bdi class="quoted">${policy.message}</bdi></p>${policy.messageDetail && html`<p class="small"><bdi class="quoted">${policy.messageDetail}</bdi></p>`}</div>`
      : html`<p class="quiet">No message is shown.</p>`}`;
}

function History({ versions }) {
  if (!versions.length) return html`<${Empty} title="It was never changed">What stands above is built in.<//>`;
  const rows = versions.map((version, place) => ({ ...version, before: versions[place + 1] }));
  const columns = [
    { label: `When (${zone()})`, cls: "when", cell: (one) => html`<${Time} at=${one.changedAt} />` },
    { label: "What", cls: "main", cell: (one) => html`<b>Version ${one.version}</b>${one.before ? differences(one.before.policy, one.policy).map((name) => html`<span class="change" key=${name}>${labelOf(name)}: <${Value} name=${name} value=${one.before.policy[name]} /> → <${Value} name=${name} value=${one.policy[name]} /></span>`) : ""}` },
    { label: "By", cls: "by", cell: (one) => who(one.changedBy) },
    { label: "Why", cell: (one) => html`<bdi class="quoted">${one.reason}</bdi>` },
  ];
  return html`<${Table} caption="Changes of the policy, newest first" columns=${columns} rows=${rows} rowKey=${(one) => one.version} />`;
}

// The draft as the API takes it.
function cleaned(draft) {
  return Object.fromEntries(NAMES.map((name) => {
    const [, { code, choices }] = MEMBERS[name];
    const value = String(draft[name]).trim();
    return [name, code ? Number(value) : choices && "true" in choices ? value === "true" : value];
  }));
}

function faults(draft) {
  const found = {};
  for (const [name, [, { code, most, link }]] of Object.entries(MEMBERS)) {
    const value = String(draft[name]).trim();
    if (code && !(/^[0-9]{1,10}$/.test(value) && Number(value) >= 1 && Number(value) <= MOST_CODE)) found[name] = `A whole number from 1 to ${number(MOST_CODE)}.`;
    if (most && value.length > most) found[name] = `At most ${number(most)} characters.`;
    if (link && !LINK.test(value)) found[name] = "An https address, or nothing.";
  }
  for (const name of ["minimumVersionCode", "recommendedVersionCode"]) {
    if (!found[name] && !found.latestVersionCode && Number(draft[name]) > Number(draft.latestVersionCode)) found[name] = "Not above the newest version code.";
  }
  return found;
}

function EditDialog({ seen, onClose, onDone }) {
  const [draft, setDraft] = useState(seen.policy);
  const [reason, setReason] = useState("");
  const wrong = faults(draft);
  const made = cleaned(draft);
  const changed = differences(seen.policy, made);
  const isWrong = Object.keys(wrong).length > 0 || !changed.length || Boolean(noReason(reason));
  const set = (name) => (event) => setDraft({ ...draft, [name]: event.target.value });
  const make = () => (isWrong ? null : {
    path: "/admin/app-policy", body: { version: seen.version, reason: reason.trim(), ...Object.fromEntries(changed.map((name) => [name, made[name]])) },
    about: { kind: "policy", version: seen.version + 1, members: made, text: `Save version ${seen.version + 1} of the policy for apps` },
  });
  return html`<${Decision} title="Change the policy for apps" act="policy" verb="Save" doing="Saving…" wide=${true} make=${make}
      onMade=${(answer) => say(`The policy is version ${answer.version}. Every app follows within two minutes.`)} onClose=${onClose} onDone=${onDone}>${(tried) => html`
    <div class="pairs">${NAMES.map((name, place) => {
      const [label, { code, choices, most }, hint] = MEMBERS[name];
      return html`<${Field} key=${name} label=${label} hint=${hint} error=${tried && wrong[name]}>${(given) => (choices
        ? html`<select ...${given} value=${String(draft[name])} onChange=${set(name)}>${Object.entries(choices).map(([value, text]) => html`<option value=${value} selected=${value === String(draft[name])} key=${value}>${text}</option>`)}</select>`
        : html`<input ...${given} data-first=${place === 0 || undefined} dir=${most ? "auto" : undefined} inputmode=${code ? "numeric" : undefined} maxlength=${most || 500} autocomplete="off" value=${draft[name]} onInput=${set(name)} />`)}<//>`;
    })}</div>
    <h3>What changes</h3>
    ${changed.length ? html`<dl class="preview difference">${changed.map((name) => html`<div key=${name}><dt>${labelOf(name)}</dt><dd><s><${Value} name=${name} value=${seen.policy[name]} /></s> → <b><${Value} name=${name} value=${made[name]} /></b></dd></div>`)}</dl>
      ${!Object.keys(wrong).length && html`<${Phone} policy=${made} />`}` : html`<p class=${tried ? "error" : "quiet"}>Nothing yet.</p>`}
    <${Reason} value=${reason} set=${setReason} wrong=${tried && noReason(reason)} />
    ${tried && Object.keys(wrong).length > 0 && html`<p class="error" role="alert">Some of these members are not right yet.</p>`}`}<//>`;
}
