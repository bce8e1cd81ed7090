// The pages and their modules, which are loaded when they are opened, or when a link to them is pointed at.
import { html, useEffect, useLayoutEffect, useRef, useState } from "./html.js";
import { NotFound } from "./notfound.js";
import { placeOf } from "./router.js";
import { Head, Skeleton } from "./ui.js";

const page = (title, load, name) => ({ title, load: () => load().then((module) => module[name]) });

const LISTS = {
  "": page("Overview", () => import("./overview.js"), "Overview"),
  users: page("Users", () => import("./users.js"), "Users"),
  transactions: page("Transactions", () => import("./transactions.js"), "Transactions"),
  payments: page("Payments", () => import("./payments.js"), "Payments"),
  requests: page("Requests", () => import("./requests.js"), "Requests"),
  adjustments: page("Bulk adjustments", () => import("./bulk.js"), "Bulk"),
  products: page("Products", () => import("./products.js"), "Products"),
  policy: page("Policy for apps", () => import("./policy.js"), "Policy"),
  subscriptions: page("Subscriptions", () => import("./subscriptions.js"), "Subscriptions"),
  notices: page("Notices", () => import("./notices.js"), "Notices"),
  keys: page("API keys", () => import("./keys.js"), "Keys"),
  operators: page("Operators", () => import("./operators.js"), "Operators"),
  audit: page("Audit", () => import("./audit.js"), "Audit"),
};
const UNLISTED = { search: page("Search", () => import("./find.js"), "Find") };
const SINGLE = {
  users: page("", () => import("./user.js"), "User"),
  payments: page("", () => import("./payments.js"), "Payment"),
  products: page("", () => import("./products.js"), "Product"),
  keys: page("", () => import("./key.js"), "Key"),
  subscriptions: page("", () => import("./subscriptions.js"), "Subscription"),
};

// The names and titles of the navigation, in order.
export const LINKS = Object.entries(LISTS).map(([name, { title }]) => [name, title]);

const known = ({ page: name, id }) => (id ? SINGLE : { ...LISTS, ...UNLISTED })[name];

// Fetches the module of a page before it is opened. That it failed is said when the page is opened.
export function preload(place) {
  known(place)?.load().catch(() => {});
}

export function preloadLinks() {
  const pointedAt = (event) => {
    const link = event.target.closest?.("a[href]");
    const found = link && placeOf(link);
    if (found) preload(found);
  };
  addEventListener("pointerover", pointedAt);
  addEventListener("focusin", pointedAt);
}

// The page at a place. `given` are the page's properties; its `key` says when it is another page.
export function Page({ place, ...given }) {
  const wanted = known(place);
  if (!wanted) return html`<${NotFound} />`;
  return html`<${Loaded} wanted=${wanted} title=${place.id || wanted.title} given=${{ id: place.id, query: place.query, ...given }} />`;
}

function Loaded({ wanted, title, given }) {
  const [found, setFound] = useState(wanted.found);
  const [failed, setFailed] = useState(false);
  const [turn, setTurn] = useState(0);
  const heading = useRef(false);
  useEffect(() => {
    if (found) return undefined;
    let isWanted = true;
    setFailed(false);
    wanted.load().then((Found) => {
      wanted.found = { Found };
      if (!isWanted) return;
      heading.current = document.activeElement?.matches("main h1");
      setFound(wanted.found);
    }, () => isWanted && setFailed(true));
    const again = () => setTurn((n) => n + 1);
    addEventListener("online", again);
    return () => {
      isWanted = false;
      removeEventListener("online", again);
    };
  }, [turn]);
  useLayoutEffect(() => {
    if (heading.current) document.querySelector("main h1")?.focus(); // It was in the heading that stood here meanwhile.
    heading.current = false;
  }, [found]);
  if (found) return html`<${found.Found} ...${given} />`;
  return html`<${Head} title=${title} />${failed ? html`<${Missing} retry=${() => setTurn(turn + 1)} />` : html`<${Skeleton} rows=${10} label="Loading the page" />`}`;
}

function Missing({ retry }) {
  return html`<div class="trouble" role="alert"><p class="title">This page could not be loaded.</p>
    <p>A file of the dashboard did not arrive: the device is offline, or a newer version of the dashboard was deployed. Nothing was changed.</p>
    <p class="buttons"><button onClick=${retry}>Try again</button><button onClick=${() => location.reload()}>Reload the dashboard</button></p></div>`;
}
