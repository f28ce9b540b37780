// Takes a picture of every page, in both languages and both themes, on a phone and on a desk, to be looked at:
//   node api/console/tests/screenshots.mjs FOLDER [name …]
// A name is a page as it stands in the address, or one of: guardian, states (empty, refused, signing in, dialogs).
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { House, endBrowser, eventually, open } from "./house.mjs";

const PAGES = ["alerts", "alerts/i1", "alerts/i3", "cases", "cases/c1", "elders", "elders/w1", "map", "doctor", "doctor/i2", "field", "field/c1", "duty", "registry/people", "registry/import", "providers", "reports", "accounts", "webhooks", "wall", "about"];
/** What is only seen after a press: `[name, page, what is pressed]`; a press is an element that is there in every language. */
const STATES = [
  ["elder-track", "elders/w1", '[data-focus="tab-track"]'], ["elder-vitals", "elders/w2", '[data-focus="tab-vitals"]'],
  ["elder-fences", "elders/w1", '[data-focus="tab-fences"]'], ["elder-history", "elders/w1", '[data-focus="tab-history"]'],
  ["elder-looks", "elders/w1", '[data-focus="tab-looks"]'], ["fence-circle", "elders/w1", '[data-focus="tab-fences"]', '[data-focus="add-circle"]'],
  ["elder-edit", "elders/w1", '[data-focus="edit"]'], ["consent", "elders/w1", '[data-focus="consent-vital_signs"]'],
  ["resolve", "alerts/i2", '[data-focus="act-resolve"]'], ["bulk", "alerts", ".row.waits input"], ["menu", "alerts", ".menu summary"],
  ["preview", "doctor/i2", '[data-focus="preview"]'], ["patrol", "cases", '[data-focus="patrol"]'], ["dispatch", "cases/c1", '[data-focus="case-act-dispatch"]'],
  ["roster", "duty", '[data-focus="roster"]'], ["registry-edit", "registry/wearers", ".registry-row button"], ["alert-none", "alerts/i999"], ["elder-none", "elders/w999"],
];
const SIZES = { desk: { width: 1440, height: 900 }, phone: { width: 390, height: 844, touch: true } };
const [folder = "screenshots", ...only] = process.argv.slice(2);
const wanted = (name) => !only.length || only.includes(name);

mkdirSync(folder, { recursive: true });
const house = await House.start();
try {
  if (wanted("states")) await everyLook((look) => shootEmpty(look));
  await furnish();
  await everyLook(shoot);
  if (wanted("wall")) for (const theme of ["light", "dark"]) await shoot({ language: "zh-CN", theme, name: "wall", width: 1920, height: 1080 }, ["wall"]);
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
  const g2 = await house.api("GET", "/people/g2");
  await house.api("POST", "/import", { people: [{ ...keep(g2), lang: "en", name: "Robert Wang-Featherstonehaugh" }],
    wearers: [{ ...keep(await house.api("GET", "/wearers/w1")), consents }, long],
    devices: [{ id: "860000000000005", kind: "bracelet", wearer: "w5", secret: "secret-5", datum: "wgs84" }] });
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
  await house.api("POST", "/cases", { text: "楼道灯坏了", org: "/luyang/xinghua/yinxing/", priority: "medium", place: { text: "3 栋 2 单元" } });
  await house.api("POST", "/accounts", { id: "desk", password: "a long enough one", role: "desk", name: "陈值班", person: "s1", scope: "/luyang/" });
  const shifts = [{ people: ["s1", "s2"], days: ["mon", "tue", "wed", "thu", "fri"], from: "08:00", to: "18:00" }, { people: ["s2"], days: ["mon", "tue", "wed", "thu", "fri"], from: "18:00", to: "08:00" }];
  await house.api("PUT", "/duty?org=/luyang/xinghua/yinxing/", { units: [{ id: "unit-1", name: "社区值班", level: "community", shifts }] });
  await house.api("POST", "/webhooks", { name: "街道平台", url: "https://hooks.invalid/yinling", types: ["case.*"] });
}

function raised(n) {
  return eventually(`${n} are raised`, async () => (await house.api("GET", "/incidents")).data.length === n);
}

/** Waits until the page has read what it shows and nothing of it moves any more. */
async function settled(page) {
  await eventually("it has read what it shows", () => page.evaluate(() => !/正在读取|Reading…/.test(document.body.innerText)));
  await page.waitForTimeout(400);
}

async function shoot({ language, theme, name, ...size }, pages = PAGES) {
  const page = await open(house, "#/alerts", { ...size, language, theme, expected: [404] });
  const go = async (one) => {
    await page.evaluate((hash) => { location.hash = hash; }, `#/${one}`);
    await page.locator(`body[data-page="${one.split("/")[0]}"]`).waitFor();
    await settled(page);
  };
  const take = (what) => page.screenshot({ path: join(folder, `${what}.${language}.${theme}.${name}.png`) });
  for (const one of pages.filter((one) => wanted(one))) {
    await go(one);
    await take(one.replace("/", "-"));
  }
  if (wanted("states") && pages === PAGES) {
    for (const [what, one, ...presses] of STATES) {
      await go("about");
      await go(one);
      for (const press of presses) { await page.locator(press).first().click(); await settled(page); }
      await take(what);
      await page.keyboard.press("Escape");
      if (what === "bulk") await page.reload().then(() => page.locator('.link[data-state="live"]').waitFor());
    }
    await shootImport(page, go, take);
  }
  await page.context().close();
  if (wanted("guardian") && pages === PAGES) await shootGuardian({ language, theme, name, ...size });
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
