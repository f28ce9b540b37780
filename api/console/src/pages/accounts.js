// 账号: who may sign in, in which role, for which part of the tree; and everybody's own password.
import { all, command } from "../api.js";
import { h, replace } from "../dom.js";
import { t, word } from "../i18n.js";
import { isOneOf, me } from "../session.js";
import { orgs } from "../store.js";
import { dated } from "../time.js";
import { ask, button, failed, inWords, toast } from "../ui.js";

const ROLES = ["desk", "grid_worker", "volunteer", "doctor", "street", "department", "operator", "admin"];

const HEADS = ["accounts.id", "elder.name", "registry.role", "accounts.scope", "accounts.state", "accounts.changed"];

export function accountsPage(main) {
  const list = h("section", { class: "card wide" });
  const own = h("section", { class: "card" });
  main.append(h("header", { class: "page-head" }, h("h1", null, t("nav.accounts")),
    isOneOf("admin") && button(t("accounts.add"), { kind: "small primary", focus: "add", click: () => add().catch(failed) })), h("div", { class: "grid page-grid" }, isOneOf("admin") && list, me.account && own));

  async function read() {
    if (!isOneOf("admin")) return;
    try {
      const found = await all("/accounts?limit=500");
      replace(list, found.length ? h("div", { class: "table-holder" }, h("table", { class: "as-cards" },
        h("thead", null, h("tr", null, HEADS.map((name) => h("th", { scope: "col" }, t(name))), h("th", { scope: "col" }, h("span", { class: "hidden" }, t("accounts.actions"))))),
        h("tbody", null, found.map(row)))) : h("p", { class: "soft" }, t("accounts.none")));
    } catch (problem) {
      replace(list, h("p", { class: "problem" }, inWords(problem)));
    }
  }

  function row(one) {
    const act = (name, f) => button(t(`accounts.${name}`), { kind: `small${name === "remove" ? " warn" : ""}`, focus: `${name}-${one.id}`, click: () => f(one).catch(failed) });
    const scope = one.scope === "/" ? t("reports.everywhere") : orgs.get(one.scope)?.name ?? one.scope;
    const cells = [h("b", null, one.id), one.name, word("role", one.role), scope, h("span", { class: `tag ${one.state === "active" ? "good" : "bad"}` }, t(`accounts.state.${one.state}`)), dated(one.changed_at)];
    return h("tr", null, cells.map((cell, place) => h("td", { data: { label: t(HEADS[place]) } }, cell)), h("td", null, h("div", { class: "actions" }, act("edit", edit), act("reset", reset), act("end", end), act(one.state === "active" ? "disable" : "enable", toggle), act("remove", remove))));
  }

  const scopes = () => [["/", t("reports.everywhere")], ...[...orgs.values()].map((org) => [org.path, `${org.name} ${org.path}`])];
  let staff = [];
  /** Who can be behind an account, read when somebody makes or changes one. */
  const readStaff = () => all("/people?limit=500").then((people) => { staff = people.filter((one) => one.role !== "guardian").map((one) => [one.id, t("with_role", { name: one.name, role: word("role", one.role) })]); });
  const fields = (one = {}) => [
    { name: "name", label: t("elder.name"), value: one.name ?? "", required: true },
    { name: "role", label: t("registry.role"), kind: "select", value: one.role ?? "desk", options: ROLES.map((role) => [role, word("role", role)]) },
    { name: "scope", label: t("accounts.scope"), kind: "select", value: one.scope ?? me.org, options: scopes() },
    { name: "person", label: t("accounts.person"), kind: "select", value: one.person ?? "", hint: t("accounts.person_hint"), options: [["", t("accounts.nobody")], ...staff] },
  ];
  const password = { name: "password", label: t("accounts.password"), kind: "password", autocomplete: "new-password", required: true, hint: t("accounts.password_hint") };
  const patch = (one, body) => command(`/accounts/${encodeURIComponent(one.id)}`, body, { method: "PATCH", ifMatch: one.version });

  async function add() {
    await readStaff();
    return ask({ title: t("accounts.add"), action: t("save"), fields: [{ name: "id", label: t("accounts.id"), required: true, hint: t("fence.name_hint") }, ...fields(), password],
      act: ({ person, ...values }) => command("/accounts", person ? { ...values, person } : values) }).then(done);
  }
  async function edit(one) {
    await readStaff();
    return ask({ title: `${t("accounts.edit")}${t("colon")}${one.id}`, action: t("save"), fields: fields(one), act: ({ person, ...values }) => patch(one, person ? { ...values, person } : values) }).then(done);
  }
  function reset(one) {
    return ask({ title: `${t("accounts.reset")}${t("colon")}${one.id}`, lead: t("accounts.reset_lead"), action: t("accounts.reset"), fields: [password], act: (values) => patch(one, values) }).then(done);
  }
  function end(one) {
    return ask({ title: `${t("accounts.end")}${t("colon")}${one.id}`, lead: t("accounts.end_lead"), action: t("accounts.end"), act: () => patch(one, { end_sessions: true }) }).then(done);
  }
  function toggle(one) {
    const name = one.state === "active" ? "disable" : "enable";
    return ask({ title: `${t(`accounts.${name}`)}${t("colon")}${one.id}`, lead: t(`accounts.${name}_lead`), action: t(`accounts.${name}`), danger: name === "disable", act: () => patch(one, { disabled: name === "disable" }) }).then(done);
  }
  function remove(one) {
    return ask({ title: `${t("accounts.remove")}${t("colon")}${one.id}`, lead: t("accounts.remove_lead"), action: t("accounts.remove"), danger: true,
      act: () => command(`/accounts/${encodeURIComponent(one.id)}`, undefined, { method: "DELETE", ifMatch: one.version }) }).then(done);
  }
  function done(changed) {
    if (!changed) return;
    toast(t("registry.saved"), { kind: "good" });
    read();
  }

  function ownPassword() {
    return ask({ title: t("accounts.own"), lead: t("accounts.own_lead"), action: t("save"),
      fields: [{ name: "current_password", label: t("accounts.current"), kind: "password", autocomplete: "current-password", required: true }, password],
      act: (values) => command(`/accounts/${encodeURIComponent(me.account)}`, values, { method: "PATCH" }) });
  }
  if (me.account) replace(own, h("h3", null, t("accounts.yours")), h("p", null, h("b", null, me.account), " · ", me.name, " · ", word("role", me.role)), button(t("accounts.own"), { kind: "small", focus: "own", click: () => ownPassword().catch(failed) }));
  read();
  return {};
}
