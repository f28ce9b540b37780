// The newcomer: has started the demo and read nothing. Finds who needs help, takes it, sees who is being called, looks at
// where the elder is, and closes the case.
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { BINARY, PATIENCE_MS, assert, browse, endBrowser, eventually, open } from "./house.mjs";

let demo;
/** Where the invented families' phones are shown. */
let phones = null;
/** As much of a house as `open` asks for. */
const house = { base: null, token: null };

before(async () => {
  demo = spawn(BINARY, ["demo", "--http", "127.0.0.1:0", "--mqtt", "127.0.0.1:0"], { stdio: ["ignore", "pipe", "ignore"], env: { ...process.env, LANG: "zh_CN.UTF-8" } });
  house.base = await new Promise((resolve, reject) => {
    let found = null;
    const timer = setTimeout(() => reject(new Error("the demo does not begin")), 2 * PATIENCE_MS);
    createInterface({ input: demo.stdout }).on("line", (line) => {
      const base = /(http:\/\/[^/]+)\/console\//.exec(line)?.[1];
      phones = /(?:手机页面|phones?)\s+(http:\/\/\S+)/i.exec(line)?.[1] ?? phones;
      if (base) found = base;
      // The phones are named after the console.
      if (found && phones) { clearTimeout(timer); resolve(found); }
    });
    demo.once("exit", (code) => { clearTimeout(timer); reject(new Error(`the demo ended with ${code}`)); });
  });
});
after(async () => { await endBrowser(); demo?.removeAllListeners("exit"); demo?.kill("SIGINT"); });

test("somebody who has only started the demo helps an elder from the alarm to the closed case", async () => {
  const page = await open(house, "", { token: null, expected: [401] });
  // No account is known, and none has to be: the page says how to go in.
  await page.getByRole("button", { name: "值班员" }).click();
  await page.getByRole("button", { name: "开始值班" }).click();
  await page.locator(".on-duty", { hasText: "在岗" }).waitFor();

  // Who needs help: the topmost that nobody has taken yet.
  // Until the name is there the row has the elder's number; and another alarm may come on top meanwhile.
  const waiting = page.locator(".row.waits", { has: page.locator("b", { hasText: /\p{Script=Han}/u }) }).first();
  const name = await waiting.locator("b").first().innerText();
  await page.locator(".row.waits", { hasText: name }).first().getByRole("button").click();
  await page.locator(".detail h2", { hasText: name }).waitFor();
  // Who is being called, in words, and where the elder is.
  await page.locator(".now", { hasText: /正在拨打|的电话正在响铃|已接听|准备下一轮|前往/ }).waitFor();
  await page.locator(".timeline").getByText(/拨打/).first().waitFor();
  await page.locator(".place-label", { hasText: name }).first().waitFor();
  // Taken, unless the family was faster: both are somebody who goes.
  const take = page.getByRole("button", { name: "受理", exact: true });
  const going = page.locator(".now", { hasText: /正在前往|已到场/ });
  await eventually("somebody goes", async () => {
    if (await going.count()) return true;
    if (await take.count()) await take.click({ timeout: 2_000 }).catch(() => {});
    return false;
  });
  await eventually("there and closed", async () => {
    if (await page.locator(".now", { hasText: / 结束：|已结束/ }).count()) return true;
    const dialog = page.getByRole("dialog");
    if (await dialog.count()) {
      const note = dialog.getByRole("textbox");
      if (await note.count()) await note.fill("老人平安", { timeout: 2_000 }).catch(() => {});
      await dialog.locator("button[type=submit]").click({ timeout: 2_000 }).catch(() => {});
    } else {
      const arrive = page.locator(".actions.wide").getByRole("button", { name: "已到场" });
      const close = page.locator(".actions.wide").getByRole("button", { name: "结案" });
      const next = await arrive.count() ? arrive : close;
      await next.first().click({ timeout: 2_000 }).catch(() => {});
    }
    return false;
  });
  await page.locator(".timeline").getByText("老人平安").first().waitFor();
  // Nobody on these pages is a number: whoever is named is named by name.
  const text = await page.locator("main").innerText();
  assert.ok(!/\b[gsdv]\d{1,2}\b/.test(text), text.match(/.{0,20}\b[gsdv]\d{1,2}\b.{0,20}/)?.[0]);
  await page.calm();
  await page.context().close();
});

test("the text on a demo phone is tapped, and the family sees what happened", async () => {
  const context = await (await browse()).newContext({ viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true });
  context.setDefaultTimeout(PATIENCE_MS);
  const page = await context.newPage();
  await page.goto(phones);
  const opened = context.waitForEvent("page");
  await page.locator(".bubble.high a").first().tap();
  const family = await opened;
  await family.getByText("发生了什么").waitFor();
  await context.close();
});
