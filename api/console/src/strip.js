// The strip that always says: where am I, is this live, will it ring, what time is it, who is on duty.
import { h, replace } from "./dom.js";
import { icon } from "./icons.js";
import { language, setLanguage, t, word } from "./i18n.js";
import { keysAreOn, setKeys, toggleMute } from "./keys.js";
import { pagesFor } from "./routes.js";
import { house, me, signOut } from "./session.js";
import * as sound from "./sound.js";
import { live, subscribe } from "./store.js";
import { THEMES, setTheme, theme } from "./theme.js";
import { clock, now, span } from "./time.js";
import * as duty from "./duty.js";
import { failed } from "./ui.js";

export class Strip {
  constructor({ onLanguage, onSignOut }) {
    Object.assign(this, { onLanguage, onSignOut });
    this.link = h("span", { class: "link", role: "status" });
    this.clock = h("time", { class: "clock", title: t("clock.label") });
    this.sound = h("button", { class: "button duty-button", type: "button", on: { click: () => this.armOrMute() } });
    this.onDuty = h("span", { class: "on-duty" });
    this.nav = h("nav", { "aria-label": t("nav.label") }, this.links());
    this.element = h("header", { class: "strip" },
      h("a", { class: "brand", href: "#/" }, icon("bell"), h("span", null, t("brand"))),
      this.nav,
      h("div", { class: "status", role: "group", "aria-label": t("strip.label") }, this.link, this.onDuty, this.clock, this.sound),
      this.menu());
    this.banner = h("div", { class: "banner", role: "alert", hidden: true });
    this.lastLive = now();
    this.way = subscribe((topics) => { if (topics.has("org")) duty.read(); if (topics.has("link") || topics.has("duty")) this.tick(); });
    duty.watch();
    this.tick();
  }

  end() {
    this.way();
    duty.unwatch();
  }

  links() {
    const link = (page) => h("a", { href: `#/${page.name}`, data: { page: page.name } }, icon(page.icon), h("span", null, t(`nav.${page.name}`)));
    return pagesFor(me.role).filter((page) => !page.aside).map(link);
  }

  mark(name) {
    for (const link of this.nav.querySelectorAll("a")) {
      if (link.dataset.page === name) {
        link.setAttribute("aria-current", "page");
        this.nav.scrollLeft = link.offsetLeft - (this.nav.clientWidth - link.offsetWidth) / 2;
      }
      else link.removeAttribute("aria-current");
    }
    this.details?.removeAttribute("open");
  }

  menu() {
    const select = (label, value, options, change) => h("label", { class: "setting" }, h("span", null, label),
      h("select", { on: { change: (event) => change(event.target.value) } },
        options.map(([key, text]) => h("option", { value: key, selected: key === value }, text))));
    const more = pagesFor(me.role).filter((page) => page.aside)
      .map((page) => h("a", { href: `#/${page.name}` }, t(`nav.${page.name}`)));
    if (house.phones) more.push(h("a", { href: house.phones, target: "_blank", rel: "noopener" }, t("nav.phones")));
    this.details = h("details", { class: "menu" },
      h("summary", { "aria-label": me.name || word("role", me.role) }, icon("person"), h("span", { class: "who" }, me.name || word("role", me.role))),
      h("div", { class: "menu-body" },
        h("p", { class: "soft small" }, word("role", me.role), me.org && me.org !== "/" ? ` · ${me.org}` : ""),
        select(t("language.label"), language(), [["zh-CN", "中文"], ["en", "English"]], (name) => { setLanguage(name); this.onLanguage(); }),
        select(t("theme.label"), theme(), THEMES.map((name) => [name, t(`theme.${name}`)]), setTheme),
        select(t("keys.label"), keysAreOn() ? "on" : "off", [["on", t("keys.on")], ["off", t("keys.off")]], (name) => setKeys(name === "on")),
        h("div", { class: "menu-links" }, more),
        this.endDuty = h("button", { class: "button small", type: "button", on: { click: () => duty.end() } }, t("duty.end")),
        h("button", { class: "button small", type: "button", on: { click: () => duty.end().then(signOut).finally(this.onSignOut) } }, t("signout"))));
    return this.details;
  }

  armOrMute() {
    if (sound.isArmed()) toggleMute();
    else sound.arm().then(() => duty.begin()).catch(failed).finally(() => this.tick());
    this.tick();
  }

  tick() {
    const { state, since } = live;
    if (state === "live") this.lastLive = now();
    this.link.dataset.state = state;
    this.link.textContent = state === "lost" ? t("link.lost", { span: span(Date.now() - since) }) : t(`link.${state}`);
    this.banner.hidden = state !== "lost";
    if (state === "lost") {
      const text = t("link.lost_banner", { time: clock(this.lastLive) });
      if (this.banner.textContent !== text) this.banner.textContent = text;
    }
    this.clock.textContent = clock(now());
    this.tickSound();
    const text = duty.inWords();
    if (this.onDuty.textContent !== text) this.onDuty.textContent = text;
    this.onDuty.title = duty.somebody() ? t("on_duty") : t("on_duty.nobody_hint");
    this.onDuty.dataset.state = duty.somebody() ? "some" : "none";
  }

  tickSound() {
    this.endDuty.hidden = !sound.isArmed();
    const left = sound.muteLeft();
    const state = !sound.isArmed() ? "off" : left > 0 ? "muted" : "on";
    const text = state === "off" ? t("duty.start") : state === "muted" ? t("sound.muted", { span: span(left) }) : t("sound.mute");
    if (this.sound.dataset.state === state && this.sound.textContent === text) return;
    this.sound.dataset.state = state;
    this.sound.title = state === "off" ? t("duty.start_hint") : state === "on" ? t("duty.sound_on") : t("sound.unmute");
    replace(this.sound, icon(state === "on" ? "bell" : "silence"), h("span", null, text));
  }
}
