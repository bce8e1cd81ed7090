export default ($all) => {
const { $api, $format, $html, $loading, $router, $ui } = $all;
const $filters = $all.$filters = (() => {
const { html, useEffect, useId, useRef, useState } = $html;
const { get } = $api;
const { today } = $format;
const { setQuery } = $router;
const { useLoad } = $loading;
const { Field } = $ui;

const PAUSE_MS = 250;
const MOST = 8;
const ID = /^[A-Za-z0-9][A-Za-z0-9._:@+=-]{0,127}$/;

const startingWith = (prefix, signal) => get("/admin/users", { prefix, limit: MOST }, { signal }).then((found) => found.users.map((user) => user.userId));

function UserField({ label, name, value, placeholder }) {
  const list = useId();
  const [ids, setIds] = useState([]);
  const timer = useRef();
  useEffect(() => () => clearTimeout(timer.current), []);
  const typed = (event) => {
    const prefix = event.target.value.trim();
    clearTimeout(timer.current);
    if (ID.test(prefix)) timer.current = setTimeout(() => startingWith(prefix).then(setIds, () => setIds([])), PAUSE_MS);
  };
  return html`<${Field} label=${label}>${(given) => html`<input ...${given} name=${name} list=${list} defaultValue=${value} placeholder=${placeholder} maxlength="128" autocomplete="off" spellcheck=${false} onInput=${typed} />
    <datalist id=${list}>${ids.map((id) => html`<option value=${id} key=${id} />`)}</datalist>`}<//>`;
}

async function userOf(typed) {
  if (!ID.test(typed)) return typed;
  const ids = await startingWith(typed).catch(() => []);
  return ids.includes(typed) || ids.length !== 1 ? typed : ids[0];
}

function Alike({ prefix }) {
  const page = useLoad((signal) => (ID.test(prefix) ? startingWith(prefix, signal) : Promise.resolve([])), [prefix]);
  const ids = (page.found || []).filter((id) => id !== prefix);
  if (!ids.length) return null;
  return html`<span>Users whose id begins with “${prefix}”: ${ids.map((id) => html`<button class="link id" key=${id} onClick=${() => setQuery({ user: id })}>${id}</button> `)}</span>`;
}

const daysOf = (query) => ({ fromDay: query.fromDay || query.day || "", toDay: query.toDay || query.day || "" });

function DayFields({ fromDay, toDay }) {
  const day = (name, label, value) => html`<${Field} label=${label}>${(given) => html`<input ...${given} type="date" name=${name} max=${today()} defaultValue=${value} />`}<//>`;
  return html`${day("fromDay", "From day (UTC)", fromDay)}${day("toDay", "To day (UTC)", toDay)}`;
}

function Filters({ cls = "", count, apply, children }) {
  const [open, setOpen] = useState(false);
  const submit = (event) => {
    event.preventDefault();
    apply(Object.fromEntries([...new FormData(event.currentTarget)].map(([name, value]) => [name, String(value).trim()])));
  };
  return html`<div class="filters-box"><button class="filters-toggle" aria-expanded=${open ? "true" : "false"} aria-controls="filters" onClick=${() => setOpen(!open)}>${count ? `Filters (${count})` : "Filters"}</button>
    <form id="filters" class=${`filters ${cls} ${open ? "" : "folded"}`} aria-label="Filters" onSubmit=${submit}>${children}</form></div>`;
}
return { UserField: UserField, userOf: userOf, Alike: Alike, daysOf: daysOf, DayFields: DayFields, Filters: Filters };
})();
};
