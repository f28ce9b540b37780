// 通道与健康: is the house well, do the channels reach anybody and what is set for them, what was refused.
import { all, get } from "../api.js";
import { h, replace } from "../dom.js";
import { icon } from "../icons.js";
import { t, word } from "../i18n.js";
import { isOneOf } from "../session.js";
import { ago } from "../time.js";
import { inWords } from "../ui.js";

const AGAIN_SECONDS = 15;
const REFUSED_SHOWN = 50;
/** Who sees what is set for the channels. */
const KEEPERS = ["admin", "operator"];

export function providersPage(main) {
  const ready = h("section", { class: "card wide" });
  const channels = h("section", { class: "card wide" });
  const refused = h("section", { class: "card wide" });
  main.append(h("header", { class: "page-head" }, h("h1", null, t("nav.providers"))), h("div", { class: "grid page-grid" }, channels, ready, refused));
  let beats = 0;

  async function read() {
    // Outside /api/v1, and 503 is an answer too.
    const health = await fetch("/readyz", { cache: "no-store" }).then((response) => response.json()).catch(() => null);
    if (health) {
      const line = (one, name) => h("li", { class: `check ${one.ok ? "ok" : "bad"}` }, icon(one.ok ? "check" : "cross"), h("b", null, name), h("span", { class: "soft" }, one.reason === "ok" ? t("health.ok") : one.reason));
      replace(ready, h("h3", null, t("health.title")), h("ul", { class: "checks" }, health.checks.filter((one) => one.name !== "provider").map((one) => line(one, word("check", one.name)))));
      const providers = health.checks.filter((one) => one.name === "provider");
      if (!isOneOf(...KEEPERS)) {
        replace(channels, h("h3", null, t("health.channels")), providers.length ? h("ul", { class: "checks" }, providers.map((one) => {
          const [name, ...rest] = one.reason.split(": ");
          const at = /last reached (\S+)/.exec(one.reason)?.[1];
          return line({ ok: one.ok, reason: at ? t("health.reached", { ago: ago(at) }) : rest.join(": ") }, word("channel", name));
        })) : noChannel());
      }
    }
    if (isOneOf(...KEEPERS)) {
      const found = await get("/channels").then(({ data }) => data).catch((problem) => problem);
      const open = new Set([...channels.querySelectorAll("details[open]")].map((one) => one.dataset.channel));
      replace(channels, h("h3", null, t("health.channels")), found instanceof Error ? h("p", { class: "soft" }, inWords(found))
        : [!found.some((one) => one.providers.length) && noChannel(), h("ul", { class: "channels" }, found.map((one) => channel(one, open.has(one.channel))))]);
    }
    const found = await all("/quarantine?limit=100").catch((problem) => problem);
    replace(refused, h("h3", null, t("health.refused")), found instanceof Error ? h("p", { class: "soft" }, inWords(found)) : found.length ? h("div", { class: "table-holder" }, h("table", null,
      h("thead", null, h("tr", null, ["looks.when", "registry.devices", "import.what"].map((name) => h("th", { scope: "col" }, t(name))))),
      h("tbody", null, found.slice(-REFUSED_SHOWN).reverse().map((one) => h("tr", null, h("td", null, ago(one.at ?? one.received)), h("td", null, one.device ?? "—"), h("td", null, one.detail ?? one.reason)))))) : h("p", { class: "soft" }, t("nothing")));
  }
  read();
  return { tick() { beats += 1; if (beats % AGAIN_SECONDS === 0) read(); } };
}

const noChannel = () => h("p", { class: "warning inline" }, icon("sos"), h("span", null, t("health.no_channel")));

/** A channel: who carries it and how they are, and what is set, with stars for what is secret. */
function channel({ channel: name, providers, callbacks_refused, settings }, isOpen) {
  return h("li", null, h("b", { class: "channel-name" }, word("channel", name)),
    h("div", null, providers.length ? providers.map(provider) : h("p", { class: "soft" }, t("health.shown_only")),
      callbacks_refused.length > 0 && h("p", { class: "soft small" }, t("health.callbacks_refused", { what: callbacks_refused.map((one) => t("health.refused_for", { ...one, reason: word("refusal", one.reason) })).join(t("semicolon")) })),
      settings.length > 0 && h("details", { open: isOpen, data: { channel: name } }, h("summary", { class: "small" }, t("health.settings", { n: settings.length })),
        h("div", { class: "table-holder" }, h("table", null,
          h("thead", null, h("tr", null, ["key", "value", "source"].map((column) => h("th", { scope: "col" }, t(`health.${column}`))))),
          h("tbody", null, settings.map((one) => h("tr", null, h("td", null, h("code", null, one.key)), h("td", null, one.value === "***" ? t("health.secret") : one.value), h("td", { class: "soft" }, word("health.from", one.source))))))))));
}

function provider({ name, kind, ok, last_ok, failed_at, failure, held_back }) {
  return h("div", { class: `provider ${ok ? "ok" : "bad"}` }, icon(ok ? "check" : "cross"), h("b", null, name), h("span", { class: "tag" }, kind),
    h("span", { class: held_back ? "tag bad" : "tag good" }, t(held_back ? "health.held_back" : "health.flowing")),
    h("span", { class: "soft small" }, last_ok ? t("health.reached", { ago: ago(last_ok) }) : t("health.untried")),
    failed_at && h("span", { class: "soft small" }, t("health.failed", { ago: ago(failed_at), why: failure })));
}
