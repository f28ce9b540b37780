// 对接: other systems that are told what happens, with the log of what was sent and what came of it.
import { all, command, get } from "../api.js";
import { h, replace } from "../dom.js";
import { t, word } from "../i18n.js";
import { me } from "../session.js";
import { orgs } from "../store.js";
import { ago, dated } from "../time.js";
import { ask, button, failed, inWords, toast } from "../ui.js";

const LOG_SHOWN = 100;
/** How long after a test its outcome is looked up. */
const LOOK_AGAIN_MS = 1_500;

export function webhooksPage(main, [id]) {
  const list = h("section", { class: "card wide" });
  const log = h("section", { class: "card wide" });
  main.append(h("header", { class: "page-head" }, h("h1", null, t("nav.webhooks")), button(t("webhooks.add"), { kind: "small primary", focus: "add", click: () => add().catch(failed) })),
    h("div", { class: "grid page-grid" }, list, log));
  let chosen = id ?? null;
  let known = [];

  async function read() {
    try {
      known = await all("/webhooks?limit=500");
      replace(list, h("h3", null, t("webhooks.title")), h("p", { class: "soft small" }, t("webhooks.lead")),
        known.length ? h("ul", { class: "plain-list" }, known.map(entry)) : h("p", { class: "soft" }, t("nothing")));
    } catch (problem) {
      replace(list, h("p", { class: "problem" }, inWords(problem)));
    }
    readLog();
  }

  function entry(one) {
    return h("li", { class: "unit" }, h("a", { href: `#/webhooks/${one.id}`, "aria-current": one.id === chosen ? "true" : false, data: { focus: `hook-${one.id}` } }, h("b", null, one.name)), " ",
      h("span", { class: `tag ${one.state === "active" ? "good" : "bad"}` }, t(`webhooks.state.${one.state}`)), " ", one.lag_events > 0 && h("span", { class: "tag warn" }, t("webhooks.lag", { n: one.lag_events })),
      h("p", { class: "soft small wrap" }, one.url), h("p", { class: "soft small" }, one.types.length ? one.types.join(", ") : t("webhooks.all_types"), " · ", one.scope === "/" ? t("reports.everywhere") : orgs.get(one.scope)?.name ?? one.scope));
  }

  async function readLog() {
    const one = known.find((hook) => hook.id === chosen);
    if (!one) return replace(log, h("p", { class: "soft" }, t("webhooks.pick")));
    const path = `/webhooks/${encodeURIComponent(one.id)}`;
    const act = (name, body) => () => command(`${path}/${name}`, body).then(() => { toast(t("webhooks.on_its_way"), { kind: "good" }); setTimeout(read, LOOK_AGAIN_MS); }).catch(failed);
    const patch = (body) => command(path, body, { method: "PATCH", ifMatch: one.version }).then(read);
    try {
      const { data } = await get(`${path}/deliveries?limit=${LOG_SHOWN}`);
      replace(log, h("h3", null, one.name), h("div", { class: "actions wide" },
        button(t("webhooks.test"), { kind: "small", focus: "test", click: act("test", {}) }),
        button(t(one.state === "paused" ? "webhooks.resume" : "webhooks.pause"), { kind: "small", focus: "pause", click: () => patch({ paused: one.state !== "paused" }).catch(failed) }),
        button(t("elder.edit"), { kind: "small", focus: "edit", click: () => change(one, patch).catch(failed) }),
        button(t("webhooks.rotate"), { kind: "small", focus: "rotate", click: () => rotate(one).catch(failed) }),
        button(t("webhooks.delete"), { kind: "small warn", focus: "delete", click: () => remove(one).catch(failed) })),
      one.waiting.length > 0 && h("p", { class: "warning inline" }, h("span", null, t("webhooks.waiting", { n: one.waiting.length, at: dated(one.waiting[0].next_at) }))),
      data.length ? h("div", { class: "table-holder" }, h("table", null,
        h("thead", null, h("tr", null, ["looks.when", "webhooks.event", "webhooks.try", "webhooks.status", "webhooks.outcome"].map((name) => h("th", { scope: "col" }, t(name))), h("th", { scope: "col" }, h("span", { class: "hidden" }, t("webhooks.replay"))))),
        h("tbody", null, data.map((line) => h("tr", null, h("td", null, ago(line.at)), h("td", null, line.event || t("webhooks.a_test")), h("td", null, line.attempt),
          h("td", null, line.status ?? "—", " ", h("span", { class: "soft small" }, `${line.millis} ms`)),
          h("td", null, h("span", { class: `tag ${line.outcome === "delivered" ? "good" : "bad"}` }, word("webhooks.outcome", line.outcome)), line.detail && h("span", { class: "soft small wrap" }, ` ${line.detail}`)),
          h("td", null, line.event > 0 && button(t("webhooks.replay"), { kind: "small", focus: `replay-${line.number}`, click: act("replay", { event: line.event }) }))))))) : h("p", { class: "soft" }, t("nothing")));
    } catch (problem) {
      replace(log, h("p", { class: "problem" }, inWords(problem)));
    }
  }

  const typesOf = (line) => line.split(/[\s,，、]+/).filter(Boolean);
  const fields = (one = {}) => [{ name: "name", label: t("fence.name"), value: one.name ?? "", required: true }, { name: "url", label: t("webhooks.url"), kind: "url", value: one.url ?? "", required: true, hint: t("webhooks.url_hint") },
    { name: "types", label: t("webhooks.types"), value: (one.types ?? []).join(", "), hint: t("webhooks.types_hint") }];

  async function add() {
    const scope = { name: "scope", label: t("accounts.scope"), kind: "select", value: me.org, options: [["/", t("reports.everywhere")], ...[...orgs.values()].map((org) => [org.path, `${org.name} ${org.path}`])] };
    const made = await ask({ title: t("webhooks.add"), action: t("save"), fields: [...fields(), scope], act: (values) => command("/webhooks", { ...values, types: typesOf(values.types) }) });
    if (!made) return;
    await showSecret(made);
    location.hash = `#/webhooks/${made.id}`;
    chosen = made.id;
    read();
  }
  const change = (one, patch) => ask({ title: `${t("elder.edit")}${t("colon")}${one.name}`, action: t("save"), fields: fields(one), act: (values) => patch({ ...values, types: typesOf(values.types) }) });
  async function rotate(one) {
    const made = await ask({ title: t("webhooks.rotate"), lead: t("webhooks.rotate_lead"), action: t("webhooks.rotate"), act: () => command(`/webhooks/${encodeURIComponent(one.id)}/rotate`, {}) });
    if (made) await showSecret(made);
    read();
  }
  async function remove(one) {
    const gone = await ask({ title: `${t("webhooks.delete")}${t("colon")}${one.name}`, lead: t("webhooks.delete_lead"), action: t("webhooks.delete"), danger: true,
      act: () => command(`/webhooks/${encodeURIComponent(one.id)}`, undefined, { method: "DELETE", ifMatch: one.version }) });
    if (gone) { chosen = null; read(); }
  }

  read();
  return { go([next]) { chosen = next ?? null; read(); return true; } };
}

/** Shown once; whoever has read it closes it. */
const showSecret = ({ secret }) => ask({ title: t("webhooks.secret"), lead: t("webhooks.secret_lead"), action: t("webhooks.secret_kept"),
  fields: [{ name: "secret", label: t("registry.secret"), value: secret }], act: () => true });
