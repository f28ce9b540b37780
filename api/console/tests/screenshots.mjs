// Takes a picture of every page, in both languages and both themes, on a phone and on a desk, to be looked at:
//   node api/console/tests/screenshots.mjs FOLDER [page …]
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { House, endBrowser, eventually, open } from "./house.mjs";

const PAGES = ["alerts", "alerts/i1", "cases", "cases/c1", "elders", "elders/w1", "map", "doctor/i2", "field", "duty", "registry/people", "registry/import", "providers", "reports", "accounts", "webhooks", "wall", "about"];
const SIZES = { desk: { width: 1440, height: 900 }, phone: { width: 390, height: 844, touch: true } };
const [folder = "screenshots", ...only] = process.argv.slice(2);

mkdirSync(folder, { recursive: true });
const house = await House.start();
try {
  await furnish();
  for (const language of ["zh-CN", "en"]) {
    for (const theme of ["light", "dark"]) for (const [name, size] of Object.entries(SIZES)) await shoot(language, theme, name, size);
  }
} finally {
  await endBrowser();
  await house.end();
}

async function furnish() {
  const now = Date.now();
  const elder = await house.api("GET", "/wearers/w1");
  await house.api("POST", "/import", { wearers: [{ ...Object.fromEntries(Object.entries(elder).filter(([, value]) => value !== null)),
    consents: [{ to: "location", by: "g1", how: "paper", given_at: "2026-03-01T09:00:00+08:00", note: "2026-031" }, { to: "vital_signs", how: "spoken", given_at: "2026-03-01T09:00:00+08:00", withdrawn_at: "2026-06-01T09:00:00+08:00" }] }] });
  await house.api("POST", "/duty/watch", { on: true });
  const walk = Array.from({ length: 40 }, (_, n) => ({ type: "location", t: new Date(now - (40 - n) * 300_000).toISOString(), lat: 31.8206 + Math.sin(n / 6) / 900, lon: 117.2292 + n / 30_000, acc: 8 }));
  house.report(1, walk);
  for (let n = 0; n < 12; n += 1) house.report(2, { type: "heart_rate", bpm: 70 + (n % 5) * 4, t: new Date(now - (12 - n) * 600_000).toISOString() });
  house.sos(1);
  house.report(2, { type: "blood_pressure", sys: 231, dia: 121 });
  await eventually("both are raised", async () => (await house.api("GET", "/incidents")).data.length === 2);
  await house.api("POST", "/cases", { text: "楼道灯坏了", org: "/luyang/xinghua/yinxing/", priority: "medium", place: { text: "3 栋 2 单元" } });
  await house.api("POST", "/accounts", { id: "desk", password: "a long enough one", role: "desk", name: "陈值班", person: "s1", scope: "/luyang/" });
  await house.api("POST", "/webhooks", { name: "街道平台", url: "https://hooks.invalid/yinling", types: ["case.*"] });
}

async function shoot(language, theme, name, size) {
  const page = await open(house, "#/alerts", { ...size, language, theme, expected: [404] });
  for (const one of PAGES.filter((one) => !only.length || only.includes(one))) {
    await page.evaluate((hash) => { location.hash = hash; }, `#/${one}`);
    await page.locator(`body[data-page="${one.split("/")[0]}"]`).waitFor();
    await eventually(`${one} has read what it shows`, () => page.evaluate(() => !/正在读取|Reading…/.test(document.body.innerText)));
    await page.waitForTimeout(400);
    await page.screenshot({ path: join(folder, `${one.replace("/", "-")}.${language}.${theme}.${name}.png`) });
  }
  await page.context().close();
  if (!only.length || only.includes("guardian")) await shootGuardian(language, theme, name, size);
}

/** The page behind the link in a message, and the one behind its code. */
async function shootGuardian(language, theme, name, size) {
  const link = house.phones.taken.filter((one) => one.person === "g1" && one.channel !== "voice").map((one) => /\/g\/[\w.-]+/.exec(JSON.stringify(one))?.[0]).findLast(Boolean);
  const page = await open(house, "", { token: null, ...size, language, theme, expected: [401] });
  await page.goto(`${house.base}${link}`);
  await page.screenshot({ path: join(folder, `guardian.${language}.${theme}.${name}.png`), fullPage: true });
  await page.context().close();
}
