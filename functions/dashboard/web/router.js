// Which page the address names, and moving between pages without reloading.
import { useEffect, useState } from "./html.js";
import { ROOT } from "./root.js";

export const BASE = `${ROOT}/dashboard`;

let listeners = [];
const changed = () => listeners.forEach((listener) => listener());
addEventListener("popstate", changed);

// `{ page, id, query }` of the address; `page` is "" for the overview.
export const place = () => placeOf(location);

// The same of a link, or null where it leads out of the dashboard.
export function placeOf({ origin, pathname, search }) {
  if (origin !== location.origin || !(pathname === BASE || pathname.startsWith(`${BASE}/`))) return null;
  const [page = "", id = ""] = pathname.slice(BASE.length + 1).split("/");
  return { page, id: safeDecode(id), query: Object.fromEntries(new URLSearchParams(search)) };
}

// The place, as a new object after every move, also after a click on a link to the place itself.
export function usePlace() {
  const [found, set] = useState(place);
  useEffect(() => {
    const listener = () => set(place());
    listeners.push(listener);
    return () => { listeners = listeners.filter((other) => other !== listener); };
  }, []);
  return found;
}

export function href(page = "", id = "", query = {}) {
  const path = [BASE, page, id && encodeURIComponent(id)].filter(Boolean).join("/");
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== "" && value !== null);
  return given.length ? `${path}?${new URLSearchParams(given)}` : path;
}

export function go(address, { replace = false } = {}) {
  if (replace) history.replaceState(history.state, "", address);
  else history.pushState({ inside: true }, "", address);
  if (!replace && !place().query.entry) scrollTo(0, 0); // The story scrolls to its entry itself.
  changed();
}

// Changes members of the query. An empty member is left out; a new filter starts at the first page.
export function setQuery(members, options) {
  const { page, id, query } = place();
  go(href(page, id, { ...query, cursor: "", ...members }), options);
}

// Follows links of the dashboard within the page, except those that open something else.
export function takeClicks() {
  addEventListener("click", (event) => {
    const link = event.target.closest?.("a[href]");
    if (!link || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey) return;
    if (!placeOf(link) || link.target || link.hasAttribute("download") || link.hash) return;
    event.preventDefault();
    if (link.href === location.href) changed();
    else go(link.href);
  });
}

function safeDecode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
