// Signing in: with an account, or with a token that lives as long as this tab.
import { h, replace } from "../dom.js";
import { icon } from "../icons.js";
import { language, setLanguage, t, word } from "../i18n.js";
import { house, signIn, signInWithToken } from "../session.js";

export function signInPage({ said, onDone }) {
  let withToken = false;
  const holder = h("main", { class: "signin", id: "main" });
  draw(said);
  return holder;

  function draw(problem = "") {
    const account = h("input", { id: "account", name: "account", autocomplete: "username", required: true });
    const password = h("input", { id: "password", name: "password", type: "password", autocomplete: "current-password", required: true });
    const secret = h("input", { id: "token", name: "token", type: "password", autocomplete: "off", required: true });
    const alert = h("p", { class: "problem", role: "alert", hidden: !problem }, problem);
    const go = h("button", { class: "button primary", type: "submit" }, t("signin.go"));
    const field = (label, input) => h("div", { class: "field" }, h("label", { for: input.id }, label), input);
    const form = h("form", { class: "form" },
      withToken ? [field(t("signin.token"), secret), h("p", { class: "soft small" }, t("signin.token_hint"))]
        : [field(t("signin.account"), account), field(t("signin.password"), password)],
      alert, h("div", { class: "actions" }, go));
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      go.disabled = true;
      try {
        if (withToken) await signInWithToken(secret.value);
        else await signIn(account.value.trim(), password.value);
        await onDone();
      } catch (error) {
        alert.textContent = t("signin.failed", { why: error.message });
        alert.hidden = false;
      } finally {
        go.disabled = false;
      }
    });
    replace(holder,
      h("div", { class: "signin-card" },
        h("div", { class: "signin-brand" }, icon("bell"), h("h1", null, t("signin.title"))),
        h("p", { class: "soft" }, t("signin.lead")), form,
        house.demo && !withToken && h("div", { class: "signin-demo" }, h("p", null, t("signin.demo")), h("div", { class: "chips" }, house.demo.accounts.map((id) =>
          h("button", { class: "chip", type: "button", on: { click: () => { account.value = id; password.value = house.demo.password; form.requestSubmit(); } } }, word("demo_account", id))))),
        h("div", { class: "signin-switches" },
          h("button", { class: "plain", type: "button", on: { click: () => { withToken = !withToken; draw(); } } },
            t(withToken ? "signin.with_account" : "signin.with_token")),
          h("button", { class: "plain", type: "button", on: { click: () => { setLanguage(language() === "en" ? "zh-CN" : "en"); draw(); } } },
            language() === "en" ? "中文" : "English"))));
    (withToken ? secret : account).focus();
  }
}
