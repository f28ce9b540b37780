// Takes a picture of every page, in both languages and both themes, on a phone and on a desk, to be looked at:
//   node api/console/tests/screenshots.mjs FOLDER [name …]
// A name is a page as it stands in the address, or one of: guardian, states (dialogs and the like), empty
// (nothing has happened, signing in), lost (the server is gone).
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { House, ORG, endBrowser, eventually, open } from "./house.mjs";

const PAGES = ["alerts", "alerts/i1", "alerts/i2", "alerts/i3", "alerts/i5", "alerts/i6", "alerts/i7", "cases", "cases/c1", "elders", "elders/w1", "map", "doctor", "doctor/i2", "field", "field/c1", "duty", "registry/people", "registry/import", "providers", "reports", "accounts", "webhooks", "wall", "about"];
/** Whose page it is; all else is the administrator's. */
const OF_ROLE = { doctor: { role: "doctor", person: "d1" }, field: { role: "grid_worker", person: "s2" } };
/** What is only seen after a press: `[name, page, what is pressed]`; a press is an element that is there in every language. */
const STATES = [
  ["elder-track", "elders/w1", '[data-focus="tab-track"]'], ["elder-vitals", "elders/w2", '[data-focus="tab-vitals"]'],
  ["elder-fences", "elders/w1", '[data-focus="tab-fences"]'], ["elder-history", "elders/w1", '[data-focus="tab-history"]'],
  ["elder-looks", "elders/w1", '[data-focus="tab-looks"]'], ["fence-circle", "elders/w1", '[data-focus="tab-fences"]', '[data-focus="add-circle"]'],
  ["fence-polygon", "elders/w1", '[data-focus="tab-fences"]', '[data-focus="add-polygon"]'], ["elder-edit", "elders/w1", '[data-focus="edit"]'], ["consent", "elders/w1", '[data-focus="consent-vital_signs"]'],
  ["resolve", "alerts/i2", '[data-focus="act-resolve"]'], ["bulk", "alerts", ".row.waits input"], ["menu", "alerts", ".menu summary"],
  ["preview", "doctor/i2", '[data-focus="preview"]'], ["patrol", "cases", '[data-focus="patrol"]'], ["visit", "cases/VISIT", '[data-focus="case-act-feedback"]'], ["dispatch", "cases/c2", '[data-focus="case-act-dispatch"]'],
  ["roster", "duty", '[data-focus="roster"]'], ["registry-edit", "registry/wearers", ".registry-row button"], ["alert-none", "alerts/i999"], ["elder-none", "elders/w999"],
];
const SIZES = { desk: { width: 1440, height: 900 }, phone: { width: 390, height: 844, touch: true } };
const [folder = "screenshots", ...only] = process.argv.slice(2);
/** The case of a round of visits. */
let visited = "";
const wanted = (name) => !only.length || only.includes(name);

mkdirSync(folder, { recursive: true });
const house = await House.start();
try {
  if (wanted("empty")) await everyLook((look) => shootEmpty(look));
  await furnish();
  await everyLook(shoot);
  if (wanted("guardian")) for (const language of ["zh-CN", "en"]) await shootBehindTheCode(language);
  if (wanted("wall")) for (const theme of ["light", "dark"]) await shoot({ language: "zh-CN", theme, name: "wall", width: 1920, height: 1080 }, ["wall"]);
  if (wanted("lost")) await shootLost();
} finally {
  await endBrowser();
  await house.end();
}

async function everyLook(act) {
  for (const language of ["zh-CN", "en"]) {
    for (const theme of ["light", "dark"]) for (const [name, size] of Object.entries(SIZES)) await act({ language, theme, name, ...size });
  }
}

async function furnish() {
  const now = Date.now();
  const ago = (minutes) => new Date(now - minutes * 60_000).toISOString();
  const keep = (entry) => Object.fromEntries(Object.entries(entry).filter(([, value]) => value !== null));
  const consents = [{ to: "location", by: "g1", how: "paper", given_at: "2026-03-01T09:00:00+08:00", note: "2026-031" },
    { to: "vital_signs", how: "spoken", given_at: "2026-03-01T09:00:00+08:00", withdrawn_at: "2026-06-01T09:00:00+08:00" }];
  const long = { id: "w5", name: "Alexandrina Konstantinopolskaya-Featherstonehaugh", org: "/luyang/xinghua/yinxing/", birth_year: 1931, guardians: ["g2"], doctor: "d1", fences: [] };
  const alone = { ...long, id: "w6", name: "孙玉梅", guardians: ["g3"], doctor: null, plan: { next_after_s: 1, ring_s: 1, gap_s: 1, cycles: 1 } };
  const g2 = await house.api("GET", "/people/g2");
  await house.api("POST", "/import", { people: [{ ...keep(g2), lang: "en", name: "Robert Wang-Featherstonehaugh" }, { id: "g3", role: "guardian", name: "孙强", phone: "+8613800000003" }],
    wearers: [alone, { ...keep(await house.api("GET", "/wearers/w1")), consents }, long],
    devices: [5, 6].map((n) => ({ id: `86000000000000${n}`, kind: "bracelet", wearer: `w${n}`, secret: `secret-${n}`, datum: "wgs84" })) });
  await house.api("POST", "/duty/watch", { on: true });
  house.report(1, Array.from({ length: 40 }, (_, n) => ({ type: "location", t: ago((40 - n) * 5), lat: 31.8206 + Math.sin(n / 6) / 900, lon: 117.2292 + n / 30_000, acc: 8 })));
  for (let n = 0; n < 12; n += 1) house.report(2, { type: "heart_rate", bpm: 70 + (n % 5) * 4, t: ago((12 - n) * 10) });
  house.report(1, [{ type: "battery", pct: 41 }, { type: "heart_rate", bpm: 88 }]);
  house.sos(1);
  await raised(1);
  house.report(2, { type: "blood_pressure", sys: 231, dia: 121 });
  await raised(2);
  house.report(5, { type: "fall", lat: 31.8216, lon: 117.2352 });
  await raised(3);
  house.report(3, { type: "battery", pct: 9 });
  await raised(4);
  house.sos(4);
  await raised(5);
  await house.phones.say("g1", "no_answer");
  await house.api("POST", "/incidents/i5/actions/acknowledge", { note: "已电话联系邻居" });
  // One that nobody answers, and one that is over.
  house.sos(6);
  await raised(6);
  await eventually("she is called", () => house.phones.taken.find((one) => one.person === "g3" && one.channel === "voice"));
  await house.phones.say("g3", "no_answer");
  await eventually("nobody answered", async () => (await house.api("GET", "/incidents/i6")).state === "exhausted");
  house.report(3, { type: "sos", lat: 31.8206, lon: 117.2332 });
  await raised(7);
  await house.api("POST", "/incidents/i7/actions/resolve", { disposition: "false_alarm", note: "误按，已电话核实" });
  await step("c1", "dispatch", { handler: "s2" });
  const place = { text: "3 栋 2 单元" };
  // A case at every stage.
  const desk = await house.tokenFor("desk");
  const stages = [["dispatch", { handler: "s2" }], ["accept", {}], ["arrive", {}], ["feedback", { note: "已更换灯泡" }], ["verify", {}], ["close", { disposition: "helped" }]];
  for (let steps = 0; steps <= stages.length; steps += 1) {
    const { id } = await house.api("POST", "/cases", { text: "楼道灯坏了", org: "/luyang/xinghua/yinxing/", priority: "medium", place });
    for (const [action, body] of stages.slice(0, steps)) await step(id, action, body, ["verify", "close"].includes(action) ? desk : house.token);
  }
  const { cases: [visit] } = await house.api("POST", "/patrols", { name: "本周巡访", org: "/luyang/xinghua/yinxing/", who: "listed", wearers: ["w4"],
    form: [{ id: "q1", label: "今天精神好吗", kind: "yes_no" }, { id: "q2", label: "用药情况", kind: "choice", choices: ["按时", "偶尔忘", "没吃"] }] });
  visited = visit.id ?? visit;
  for (const action of ["accept", "arrive"]) await step(visited, action, {});
  await house.api("POST", "/accounts", { id: "desk", password: "a long enough one", role: "desk", name: "陈值班", person: "s1", scope: "/luyang/" });
  const shifts = [{ people: ["s1", "s2"], days: ["mon", "tue", "wed", "thu", "fri"], from: "08:00", to: "18:00" }, { people: ["s2"], days: ["mon", "tue", "wed", "thu", "fri"], from: "18:00", to: "08:00" }];
  await house.api("PUT", "/duty?org=/luyang/xinghua/yinxing/", { units: [{ id: "unit-1", name: "社区值班", level: "community", shifts }] });
  await house.api("POST", "/webhooks", { name: "街道平台", url: "https://hooks.invalid/yinling", types: ["case.*"] });
}

/** What somebody does to a case, as they see it now. */
async function step(id, action, body, token = house.token) {
  const { version } = await house.api("GET", `/cases/${id}`);
  await house.api("POST", `/cases/${id}/actions/${action}`, body, token, { "if-match": `"${version}"` });
}

function raised(n) {
  return eventually(`${n} are raised`, async () => (await house.api("GET", "/incidents")).data.length === n);
}

/** Waits until the page has read what it shows and nothing of it moves any more. */
async function settled(page) {
  await eventually("it has read what it shows", () => page.evaluate(() => !/正在读取|Reading…/.test(document.body.innerText)));
  await page.waitForTimeout(400);
}

/** Those of one role after those of another, each as they who use them see them. */
async function shoot(look, pages = PAGES) {
  for (const whose of [null, ...Object.keys(OF_ROLE)]) await shootAs(whose, look, pages);
}

async function shootAs(whose, { language, theme, name, ...size }, every) {
  const own = (one) => (OF_ROLE[one.split("/")[0]] ? one.split("/")[0] : null) === whose;
  const pages = every.filter((one) => own(one));
  if (!pages.some((one) => wanted(one)) && !wanted("states")) return;
  const token = whose && (await house.api("POST", "/tokens", { label: whose, scope: ORG, ...OF_ROLE[whose] })).token;
  const page = await open(house, `#/${whose ?? "alerts"}`, { ...size, language, theme, expected: [404], ...(token ? { token } : {}) });
  const go = async (one) => {
    await page.evaluate((hash) => { location.hash = hash; }, `#/${one}`);
    await page.locator(`body[data-page="${one.split("/")[0]}"]`).waitFor();
    await settled(page);
  };
  // On a phone all of a page, as a thumb scrolls through it.
  const take = (what) => page.screenshot({ path: join(folder, `${what}.${language}.${theme}.${name}.png`), fullPage: !!size.touch });
  for (const one of pages.filter((one) => wanted(one))) {
    await go(one);
    await take(one.replace("/", "-"));
  }
  if (wanted("states") && every === PAGES) {
    for (const [what, one, ...presses] of STATES.filter(([, one]) => own(one))) {
      await go("about");
      await go(one.replace("VISIT", visited));
      for (const press of presses) { await page.locator(press).first().click(); await settled(page); }
      await take(what);
      await page.keyboard.press("Escape");
      if (what === "bulk") await page.reload().then(() => page.locator('.link[data-state="live"]').waitFor());
    }
    if (!whose) await shootImport(page, go, take);
  }
  await page.context().close();
  if (!whose && wanted("guardian") && every === PAGES) await shootGuardian({ language, theme, name, ...size });
}

/** A file with faults. */
async function shootImport(page, go, take) {
  await go("registry/import");
  await page.locator("textarea").fill(JSON.stringify({ people: [{ id: "g7", role: "guardian", name: "何芳", phone: "12" }], wearers: [{ id: "w7", name: "何奶奶", org: "/nowhere/", guardians: ["g77"] }] }));
  await page.locator("main button").first().click();
  await page.locator("td").first().waitFor();
  await take("import-faults");
}

/** Signing in, and a house in which nothing has happened. */
async function shootEmpty({ language, theme, name, ...size }) {
  const out = await open(house, "", { token: null, ...size, language, theme, expected: [401] });
  await out.locator(".signin-card").waitFor();
  await out.screenshot({ path: join(folder, `signin.${language}.${theme}.${name}.png`) });
  await out.context().close();
  const page = await open(house, "#/alerts", { ...size, language, theme });
  for (const one of ["alerts", "cases", "doctor", "field", "duty", "reports", "wall"]) {
    await page.evaluate((hash) => { location.hash = hash; }, `#/${one}`);
    await page.locator(`body[data-page="${one}"]`).waitFor();
    await settled(page);
    await page.screenshot({ path: join(folder, `empty-${one}.${language}.${theme}.${name}.png`) });
  }
  await page.context().close();
}

/** The pages behind the link in a message, whose language is the guardian's own. */
async function shootGuardian({ language, theme, name, ...size }) {
  const person = language === "en" ? "g2" : "g1";
  const link = house.phones.taken.filter((one) => one.person === person && one.incident === "i1" && one.channel !== "voice").map((one) => /\/g\/[\w.-]+/.exec(JSON.stringify(one))?.[0]).findLast(Boolean);
  const page = await open(house, "", { token: null, ...size, language, theme, expected: [401, 404] });
  const take = (what) => page.screenshot({ path: join(folder, `${what}.${language}.${theme}.${name}.png`), fullPage: true });
  await page.goto(`${house.base}${link}`);
  await take("guardian");
  await page.goto(`${house.base}/g/nosuchlink-0`);
  await take("guardian-unknown");
  await page.context().close();
}

/** The pages that a code opens; once entered it holds for every look. */
async function shootBehindTheCode(language) {
  const person = language === "en" ? "g2" : "g1";
  const link = house.phones.taken.filter((one) => one.person === person && one.incident === "i1" && one.channel !== "voice").map((one) => /\/g\/[\w.-]+/.exec(JSON.stringify(one))?.[0]).findLast(Boolean);
  const page = await open(house, "", { token: null, ...SIZES.phone, language, expected: [401, 404] });
  const take = async (what) => {
    for (const theme of ["light", "dark"]) {
      await page.emulateMedia({ colorScheme: theme });
      await page.waitForTimeout(300);
      await page.screenshot({ path: join(folder, `${what}.${language}.${theme}.phone.png`), fullPage: true });
    }
  };
  await page.goto(`${house.base}${link}/elder`);
  await take("guardian-code");
  await page.locator("button").first().click();
  const code = await eventually("a code", () => house.phones.taken.filter((one) => one.person === person).map((one) => /\b(\d{6})\b/.exec(one.text)?.[1]).findLast(Boolean));
  await page.locator("input").fill(code);
  await take("guardian-code-sent");
  await page.locator("form button").first().click();
  await page.locator(".slider").waitFor();
  await settled(page);
  await take("guardian-elder");
  await page.locator('#fences [data-focus="add-polygon"]').click();
  await take("guardian-fence");
  await page.context().close();
}

/** Every look of a page whose server is gone; the house is, afterwards. */
async function shootLost() {
  const pages = [];
  for (const language of ["zh-CN", "en"]) for (const [name, size] of Object.entries(SIZES)) pages.push([`${language}.${language === "en" ? "dark" : "light"}.${name}`, await open(house, "#/alerts/i1", { ...size, language, theme: language === "en" ? "dark" : "light", expected: [0] })]);
  await house.kill();
  for (const [name, page] of pages) {
    await page.locator('.link[data-state="lost"]').waitFor();
    await page.waitForTimeout(1_500);
    await page.screenshot({ path: join(folder, `lost.${name}.png`) });
    await page.context().close();
  }
}
