import { html } from "./html.js";
import { href } from "./router.js";
import { Empty, Head } from "./ui.js";

export function NotFound() {
  return html`<${Head} title="There is no such page" />
    <${Empty} title="This address leads nowhere">Perhaps it was mistyped. <a href=${href()}>Go to the overview</a> or <a href=${href("users")}>look for a user</a>.<//>`;
}
