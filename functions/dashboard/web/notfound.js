import { html } from "./html.js";
import { href } from "./router.js";
import { Empty, Head } from "./ui.js";

export function NotFound() {
  return html`<${Head} title="There is no such page" />
    <${Empty} title="No page has this address">Check the address, <a href=${href()}>go to the overview</a> or <a href=${href("users")}>search for a user</a>.<//>`;
}
