// The demo phones: shows each phone as it is, and sends what the person at the page presses.

const WORDS = {
  "zh-CN": {
    title: "银铃 · 演示手机", subtitle: "虚构的家人，虚构的号码。您可以替他们接电话。",
    quiet: "还没有动静。第一位老人很快会需要帮助。",
    keys: "键盘：g 跳到响铃的手机，a 接听，1 / 2 按键，n 不接，h 挂断。",
    live: "已连接", waiting: "正在连接…", lost: "连接中断，正在重试", over: "演示已结束",
    soundOn: "♪ 铃声：开", soundOff: "♪ 铃声：关", filterOn: "只看有动静的", filterOff: "显示全部手机",
    ringing: "正在响铃：", yours: "等您来接", caller: "银铃值守", incoming: "来电", none: "暂无消息",
    answer: "接听", reject: "不接", hangUp: "挂断", coming: "我去", cannot: "去不了", press: "按 {key}",
    send: "发送", replyTo: "给{name}回复短信的内容", replyHint: "回复短信，如 1", phoneOf: "{name}的手机，{relation}",
    sms: "短信", push: "推送",
    sos: "SOS 求救", fall: "跌倒", fence_exit: "走出围栏", blood_pressure_high: "血压过高", blood_pressure_low: "血压过低",
    other: "健康提醒", family: "{name}的家人", staff: "社区与医生",
    no_answer: "未接来电", busy: "占线", declined: "已拒接", unreachable: "无法接通", failed: "呼叫失败",
    hung_up: "已通话，未按键", keyed: "已接听，按了 {keys}",
    habitByHand: "等您来接", habitNoAnswer: "不接电话", habitBusy: "一直占线", habitUnreachable: "关机",
    habitDeclines: "拒接", habitSilent: "接听但不按键", habitVoicemail: "语音信箱", habitPresses: "接听并按 {key}", habitFails: "打不通",
  },
  en: {
    title: "Yinling · demo phones", subtitle: "Invented families, invented numbers. You may answer for them.",
    quiet: "Nothing yet. The first elder will need help soon.",
    keys: "Keyboard: g goes to a ringing phone, a answers, 1 / 2 press keys, n rejects, h hangs up.",
    live: "connected", waiting: "connecting…", lost: "connection lost, trying again", over: "the demo has ended",
    soundOn: "♪ ringtone: on", soundOff: "♪ ringtone: off", filterOn: "only phones with news", filterOff: "show all phones",
    ringing: "Ringing:", yours: "yours to answer", caller: "Yinling", incoming: "incoming call", none: "no messages",
    answer: "Answer", reject: "Reject", hangUp: "Hang up", coming: "I am going", cannot: "cannot go", press: "Press {key}",
    send: "Send", replyTo: "Text to write back from {name}", replyHint: "write back, e.g. 1", phoneOf: "Phone of {name}, {relation}",
    sms: "text", push: "push",
    sos: "SOS", fall: "Fall", fence_exit: "Left the area", blood_pressure_high: "High blood pressure", blood_pressure_low: "Low blood pressure",
    other: "Health notice", family: "Family of {name}", staff: "Community and doctors",
    no_answer: "missed call", busy: "line was busy", declined: "rejected", unreachable: "could not be reached", failed: "call failed",
    hung_up: "talked, no key", keyed: "answered, pressed {keys}",
    habitByHand: "yours to answer", habitNoAnswer: "does not answer", habitBusy: "always busy", habitUnreachable: "switched off",
    habitDeclines: "rejects calls", habitSilent: "answers, presses nothing", habitVoicemail: "voicemail", habitPresses: "answers, presses {key}", habitFails: "cannot be called",
  },
};
const HABITS = { by_hand: "habitByHand", no_answer: "habitNoAnswer", busy: "habitBusy", unreachable: "habitUnreachable",
  declines: "habitDeclines", answers_without_key: "habitSilent", voicemail: "habitVoicemail", presses: "habitPresses", fails: "habitFails" };
const ZONE = "Asia/Shanghai";

const phones = new Map(); // number → the phone as the server last showed it
const cards = new Map(); // number → its article
const drafts = new Map(); // number → what was typed and not sent
let language = new URLSearchParams(location.search).get("lang") ?? localStorage.getItem("language") ?? "zh-CN";
if (!(language in WORDS)) language = "zh-CN";
let onlyNews = false;
let ringtone = null;

const byId = (id) => document.getElementById(id);
const say = (key, values = {}) =>
  (WORDS[language][key] ?? key).replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
const relation = (phone) => phone.relation[language === "en" ? 1 : 0];
const clock = (time) => new Intl.DateTimeFormat(language, { timeZone: ZONE, hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false }).format(new Date(time));
const kindWord = (kind) => say(kind in WORDS[language] ? kind : "other");
const openCall = (phone) => phone.calls.find((call) => call.state === "ringing" || call.state === "talking");
const isRinging = (phone) => openCall(phone)?.state === "ringing";
const hasNews = (phone) => phone.calls.length + phone.texts.length > 0 || phone.by_hand;

/** An element with attributes and children; text is always text, never markup. */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child != null));
  return element;
}

async function press(number, button) {
  await fetch(`phones/${encodeURIComponent(number)}/press`, {
    method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(button),
  }).catch(() => showLink("lost"));
}

function habit(phone) {
  const script = phone.call_scripts.at(-1) ?? { does: "by_hand" };
  return say(HABITS[script.does] ?? "habitByHand", { key: script.key });
}

/** A text whose links can be tapped, as any phone shows it. */
function linked(text) {
  return text.split(/(https?:\/\/[\w.:/-]*[\w/-])/).map((part, place) =>
    place % 2 ? make("a", { href: part, target: "_blank", rel: "noopener" }, part) : part);
}

function logEntries(phone) {
  const entries = [];
  for (const text of phone.texts) {
    entries.push([text.at, make("div", { class: `bubble ${text.priority}` },
      make("b", {}, `${say(text.channel)} · ${kindWord(text.kind)} · ${clock(text.at)}`), ...linked(text.text))]);
    if (text.reply != null) entries.push([`${text.at}~`, make("div", { class: "bubble mine" }, text.reply)]);
  }
  for (const call of phone.calls.filter((call) => call.ended_at)) {
    const how = call.keys ? say("keyed", { keys: call.keys }) : say(call.state);
    entries.push([call.rang_at, make("div", { class: call.keys.includes("1") ? "past confirmed" : "past" },
      `☎ ${clock(call.rang_at)} ${kindWord(call.kind)} · ${how}`)]);
  }
  entries.sort((a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0));
  return entries.map((entry) => entry[1]);
}

function callScreen(phone, call) {
  const number = phone.number;
  const verb = (kind, label, button, note) =>
    make("button", { type: "button", class: kind, onclick: () => press(number, button), "data-pressed": String(call.keys.includes(button.key ?? "-")) },
      label, note ? make("small", {}, note) : null);
  if (call.state === "ringing") {
    return make("div", { class: "call ring" },
      make("p", { class: "who" }, say("caller")), make("p", { class: "what" }, `${say("incoming")} · ${kindWord(call.kind)}`),
      make("div", { class: "handset", "aria-hidden": "true" }, "☎"),
      make("p", { class: "timer", "data-since": call.rang_at }),
      make("div", { class: "verbs" }, verb("reject", say("reject"), { button: "decline" }), verb("answer", say("answer"), { button: "answer" })));
  }
  return make("div", { class: "call" },
    make("p", { class: "who" }, say("caller")), make("p", { class: "timer", "data-since": call.answered_at }),
    make("p", { class: "speech" }, call.text),
    make("div", { class: "verbs" },
      verb("key", say("press", { key: 1 }), { button: "key", key: "1" }, say("coming")),
      verb("key", say("press", { key: 2 }), { button: "key", key: "2" }, say("cannot"))),
    make("div", { class: "verbs" }, verb("reject", say("hangUp"), { button: "hang_up" })));
}

function replyForm(phone) {
  const input = make("input", { name: "text", maxlength: 300, autocomplete: "off", placeholder: say("replyHint"), "aria-label": say("replyTo", { name: phone.name }) });
  input.value = drafts.get(phone.number) ?? "";
  input.addEventListener("input", () => drafts.set(phone.number, input.value));
  return make("form", { class: "reply", onsubmit: (event) => {
    event.preventDefault();
    if (input.value.trim()) press(phone.number, { button: "reply", text: input.value.trim() });
    input.value = "";
    drafts.delete(phone.number);
  } }, input, make("button", { type: "submit" }, say("send")));
}

/** Draws one phone anew, keeping what is typed and what has the focus. */
function draw(phone) {
  const call = openCall(phone);
  const old = cards.get(phone.number);
  const focused = old?.contains(document.activeElement) ? document.activeElement : null;
  const focus = focused && (focused === old ? "card" : focused.tagName === "INPUT" ? "input" : "button");
  const owner = make("div", { class: "owner" }, make("h3", {}, phone.name), make("p", {}, relation(phone)),
    make("p", { class: "number" }, phone.number, make("span", { class: "habit" }, habit(phone))));
  const entries = call ? [] : logEntries(phone);
  const inside = call ? [callScreen(phone, call)] : [
    make("div", { class: "log" }, ...(entries.length ? entries : [make("p", { class: "none" }, say("none"))])),
    phone.texts.some((text) => text.channel === "sms") ? replyForm(phone) : null,
  ];
  const screen = make("div", { class: "screen" }, owner, ...inside.filter(Boolean));
  const state = call ? (call.state === "ringing" ? " rings" : " talks") : "";
  const card = make("article", {
    class: `phone${phone.by_hand ? " by-hand" : ""}${state}`, tabindex: 0, "data-number": phone.number,
    "aria-label": say("phoneOf", { name: phone.name, relation: relation(phone) }), onkeydown: (event) => onKey(event, phone.number),
  }, screen);
  card.hidden = onlyNews && !hasNews(phone);
  if (old) old.replaceWith(card);
  cards.set(phone.number, card);
  const log = card.querySelector(".log");
  if (log) log.scrollTop = log.scrollHeight;
  if (call) tick();
  if (focus === "input") card.querySelector("input")?.focus();
  // After answering the focus is on the phone itself: a second Enter must not press a key.
  else if (focus === "button") (card.querySelector(".answer") ?? card).focus();
  else if (focus === "card") card.focus();
  return card;
}

function drawAll() {
  document.documentElement.lang = language;
  document.title = say("title");
  for (const element of document.querySelectorAll("[data-say]")) element.textContent = say(element.dataset.say);
  byId("language").textContent = language === "en" ? "中文" : "English";
  byId("language").lang = language === "en" ? "zh-CN" : "en";
  byId("filter").textContent = say(onlyNews ? "filterOff" : "filterOn");
  byId("filter").setAttribute("aria-pressed", String(onlyNews));
  byId("sound").textContent = say(ringtone ? "soundOn" : "soundOff");
  byId("sound").setAttribute("aria-pressed", String(Boolean(ringtone)));
  showLink(byId("link").dataset.state);
  const families = new Map();
  for (const phone of phones.values()) families.set(phone.family, [...(families.get(phone.family) ?? []), phone]);
  const rank = ([name, list]) => (list.some((phone) => phone.by_hand) ? 0 : name === "" ? 2 : 1);
  const ordered = [...families].sort((a, b) => rank(a) - rank(b));
  cards.clear();
  byId("families").replaceChildren(...ordered.map(([name, list]) => {
    const yours = list.some((phone) => phone.by_hand);
    const section = make("section", { class: "family" },
      make("h2", {}, name === "" ? say("staff") : say("family", { name }), yours ? make("small", { class: "yours" }, say("yours")) : null),
      ...list.map(draw));
    section.querySelector("h2").hidden = onlyNews && !list.some(hasNews);
    return section;
  }));
  drawRinging();
}

function drawRinging() {
  const ringing = [...phones.values()].filter(isRinging);
  const bar = byId("ringing");
  bar.hidden = ringing.length === 0;
  bar.replaceChildren(make("span", {}, say("ringing")), ...ringing.map((phone) =>
    make("button", { type: "button", onclick: () => goTo(phone.number) }, `☎ ${phone.name}`)));
  byId("quiet").hidden = [...phones.values()].some((phone) => phone.calls.length + phone.texts.length > 0);
  document.title = ringing.length ? `☎ ${ringing.length} · ${say("title")}` : say("title");
  ring(ringing.some((phone) => phone.by_hand));
}

function goTo(number) {
  const card = cards.get(number);
  card?.scrollIntoView({ block: "center", behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
  (card?.querySelector(".answer") ?? card)?.focus({ preventScroll: true });
}

function onKey(event, number) {
  if (event.target.tagName === "INPUT" || event.ctrlKey || event.metaKey || event.altKey) return;
  const buttons = { a: { button: "answer" }, n: { button: "decline" }, h: { button: "hang_up" }, 1: { button: "key", key: "1" }, 2: { button: "key", key: "2" } };
  const button = buttons[event.key.toLowerCase()];
  if (button && openCall(phones.get(number))) { event.preventDefault(); press(number, button); }
}

/** Two short tones every three seconds while `on`; only after the person switched the sound on. */
function ring(on) {
  if (!ringtone) return;
  clearInterval(ringtone.timer);
  const tone = () => [0, 0.4].forEach((after) => {
    const [oscillator, gain] = [ringtone.audio.createOscillator(), ringtone.audio.createGain()];
    oscillator.frequency.value = after ? 880 : 660;
    gain.gain.value = 0.08;
    oscillator.connect(gain).connect(ringtone.audio.destination);
    oscillator.start(ringtone.audio.currentTime + after);
    oscillator.stop(ringtone.audio.currentTime + after + 0.3);
  });
  if (on) { tone(); ringtone.timer = setInterval(tone, 3000); }
}

function showLink(state) {
  byId("link").dataset.state = state;
  byId("link").textContent = say(state);
}

function tick() {
  for (const timer of document.querySelectorAll("[data-since]")) {
    const seconds = Math.max(0, Math.round((Date.now() - Date.parse(timer.dataset.since)) / 1000));
    timer.textContent = `${String(Math.floor(seconds / 60)).padStart(2, "0")}:${String(seconds % 60).padStart(2, "0")}`;
  }
}

byId("language").addEventListener("click", () => {
  language = language === "en" ? "zh-CN" : "en";
  localStorage.setItem("language", language);
  drawAll();
});
byId("filter").addEventListener("click", () => { onlyNews = !onlyNews; drawAll(); });
byId("sound").addEventListener("click", () => {
  if (ringtone) { clearInterval(ringtone.timer); ringtone.audio.close(); ringtone = null; } else ringtone = { audio: new AudioContext(), timer: 0 };
  drawAll();
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "g" || event.target.tagName === "INPUT" || event.ctrlKey || event.metaKey || event.altKey) return;
  const ringing = [...phones.values()].filter(isRinging);
  const next = ringing.find((phone) => phone.by_hand) ?? ringing[0];
  if (next) { event.preventDefault(); goTo(next.number); }
});

const stream = new EventSource("stream");
stream.addEventListener("open", () => showLink("live"));
stream.addEventListener("error", () => showLink(byId("link").dataset.state === "over" ? "over" : "lost"));
stream.addEventListener("over", () => { stream.close(); showLink("over"); });
stream.addEventListener("phones", (event) => {
  phones.clear();
  for (const phone of JSON.parse(event.data)) phones.set(phone.number, phone);
  drawAll();
});
stream.addEventListener("phone", (event) => {
  const phone = JSON.parse(event.data);
  if (!phone) return;
  phones.set(phone.number, phone);
  if (cards.has(phone.number)) draw(phone); else drawAll();
  drawRinging();
});
setInterval(tick, 500);
drawAll();
