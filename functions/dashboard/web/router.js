// Which page the address names, and moving between pages without reloading.
import { useEffect, useState } from "./html.js";
import { ROOT } from "./root.js";

export const BASE = `${ROOT}/dashboard`;

let listeners = [];
const changed = () => listeners.forEach((listener) => listener());
addEventListener("popstate", changed);

// `{ page, id, query }` of the address; `page` is "" for the overview.
export function place() {
  const [, , page = "", id = ""] = location.pathname.slice(ROOT.length).split("/");
  return { page, id: safeDecode(id), query: Object.fromEntries(new URLSearchParams(location.search)) };
}

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
  if (!replace) scrollTo(0, 0);
  changed();
}

// Changes members of the query; one that is empty is left out, and a new filter begins at the first page.
export function setQuery(members, options) {
  const { page, id, query } = place();
  go(href(page, id, { ...query, cursor: "", ...members }), options);
}

// Takes clicks on links of the dashboard, except those that open something else.
export function takeClicks() {
  addEventListener("click", (event) => {
    const link = event.target.closest?.("a[href]");
    if (!link || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey) return;
    const inside = link.origin === location.origin && (link.pathname === BASE || link.pathname.startsWith(`${BASE}/`));
    if (!inside || link.target || link.hasAttribute("download") || link.hash) return;
    event.preventDefault();
    if (link.href !== location.href) go(link.href);
  });
}

function safeDecode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
