// The page behind the link in a guardian's message, on a phone, with and without JavaScript.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import { House, assert, endBrowser, eventually, open } from "./house.mjs";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const TARGET_PX_MIN = 60;
const TEXT_PX_MIN = 20;

let house;
before(async () => { house = await House.start(); });
after(async () => { await endBrowser(); await house?.end(); });

/** The link of the newest message to a person. */
const linkTo = (person) => eventually(`a link to ${person}`, () => house.phones.taken
  .filter((one) => one.person === person && one.channel !== "voice").map((one) => /\/g\/[\w.-]+/.exec(JSON.stringify(one))?.[0]).findLast(Boolean));

for (const [n, script] of [[1, false], [2, true]]) {
  test(`a guardian acknowledges ${script ? "with" : "without"} JavaScript`, async () => {
    house.phones.taken.length = 0;
    house.sos(n);
    const link = await linkTo("g1");
    const page = await open(house, "", { token: null, width: 390, height: 844, script, expected: [401] });
    await page.goto(`${house.base}${link}`);
    const go = page.getByRole("button", { name: "我已知晓,马上去" });
    await go.waitFor();
    const { height } = await go.boundingBox();
    assert.ok(height >= TARGET_PX_MIN, `the button is ${height} px high`);
    if (script) {
      const size = await page.evaluate(() => parseFloat(getComputedStyle(document.body).fontSize));
      assert.ok(size >= TEXT_PX_MIN, `text of ${size} px`);
      await page.evaluate(AXE);
      const { violations } = await page.evaluate(() => window.axe.run(document));
      assert.deepEqual(violations.filter(({ impact }) => ["serious", "critical"].includes(impact)).map(({ id, nodes }) => `${id} ${nodes[0].html}`), []);
    }
    await go.click();
    await page.getByText("您已确认前往").waitFor();
    const open_ = (await house.api("GET", `/incidents?state=open&wearer=w${n}`)).data[0];
    assert.equal(open_.acknowledged_by.person, "g1");
    await page.getByRole("button", { name: "我已到场" }).click();
    await page.getByText("已有人到场").waitFor();
    await page.calm();
    await page.context().close();
  });
}
