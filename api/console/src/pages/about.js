// What this is, and whose work it stands on.
import { h } from "../dom.js";
import { t } from "../i18n.js";

export function aboutPage(main) {
  main.append(h("section", { class: "card prose" },
    h("h1", null, t("about.title")),
    h("p", null, t("about.what")),
    h("p", null, t("about.not")),
    h("p", null, t("about.parts"), " ", h("a", { href: "vendor/licences.txt" }, t("about.licences"))),
    h("p", { class: "as-is" }, h("a", { href: "/readyz" }, "/readyz"), " · ", h("a", { href: "/metrics" }, "/metrics"))));
  return {};
}
