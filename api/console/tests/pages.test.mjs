// Every page, in both languages and both themes, on a phone and on a desk: nothing that somebody cannot read or reach.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import { House, assert, endBrowser, eventually, open } from "./house.mjs";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const PAGES = ["alerts", "alerts/i1", "cases", "cases/c1", "elders", "elders/w1", "map", "doctor/i2", "field", "duty", "registry/people", "registry/import", "providers", "reports", "accounts", "webhooks", "wall", "about"];
const LOOKS = [
  { width: 1440, height: 900, language: "zh-CN", theme: "light" }, { width: 390, height: 844, language: "en", theme: "dark" },
];

let house;
before(async () => {
  house = await House.start();
  house.sos(1);
  house.report(2, { type: "blood_pressure", sys: 231, dia: 121 });
  house.report(2, { type: "heart_rate", bpm: 88 });
  await eventually("both are raised", async () => (await house.api("GET", "/incidents")).data.length === 2);
});
after(async () => { await endBrowser(); await house?.end(); });

/** axe's serious and critical findings, by evaluation: the policy lets no script in. */
async function findings(page) {
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  return violations.filter(({ impact }) => ["serious", "critical"].includes(impact))
    .map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map((node) => `${node.html.slice(0, 160)} ${node.failureSummary?.split("\n")[1] ?? ""}`).join(" | ")}`);
}

for (const look of LOOKS) {
  test(`every page, ${look.language} ${look.theme} ${look.width} px`, async () => {
    // What is not in this house yet is not there, and says so.
    const page = await open(house, "#/alerts", { ...look, expected: [404] });
    for (const name of PAGES) {
      await page.evaluate((hash) => { location.hash = hash; }, `#/${name}`);
      await page.locator(`body[data-page="${name.split("/")[0]}"]`).waitFor();
      await eventually(`${name} has read what it shows`, () => page.evaluate(() => !/正在读取|Reading…/.test(document.body.innerText)));
      assert.deepEqual(await findings(page), [], name);
      const text = await page.evaluate(() => document.body.innerText);
      assert.ok(!text.includes("⟦"), `${name}: a string is missing: ${text.match(/⟦[^⟧]*⟧/)}`);
      const tooWide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
      assert.ok(tooWide <= 0, `${name} is ${tooWide} px too wide`);
    }
    await page.calm();
    await page.context().close();
  });
}

test("who is not signed in sees nothing but the way in, and a wrong token is refused in words", async () => {
  const page = await open(house, "", { token: null, expected: [401, 404] });
  await page.getByRole("heading", { name: "登录银铃" }).waitFor();
  assert.deepEqual(await findings(page), []);
  await page.getByRole("button", { name: "用令牌登录" }).click();
  await page.getByLabel("访问令牌").fill("yl_0000000000_notatoken");
  await page.getByRole("button", { name: "登录", exact: true }).click();
  await page.getByRole("alert").getByText("登录失败").waitFor();
  await page.getByLabel("访问令牌").fill(house.token);
  await page.getByRole("button", { name: "登录", exact: true }).click();
  await page.locator(".row").first().waitFor();
  assert.equal(new URL(page.url()).hash.includes("token"), false);
  await page.calm();
  await page.context().close();
});
