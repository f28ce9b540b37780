// What made somebody hesitate who had never seen these pages: each stays mended.
import { after, before, test } from "node:test";
import { House, assert, endBrowser, eventually, open } from "./house.mjs";

let house;
before(async () => { house = await House.start(); });
after(async () => { await endBrowser(); await house?.end(); });

const row = (page, name) => page.locator(".row", { hasText: name });
const raised = (wearer) => eventually(`an alert of ${wearer}`, async () => (await house.api("GET", `/incidents?state=open&wearer=${wearer}`)).data[0]);

test("who comes on duty sees what ended before they opened the page", async () => {
  house.sos(3);
  const { id } = await raised("w3");
  await house.api("POST", `/incidents/${id}/actions/resolve`, { disposition: "false_alarm", note: "误按，已电话核实" });
  const page = await open(house);
  await page.getByText("此刻没有人需要帮助").waitFor();
  await page.getByRole("button", { name: "刚结束", exact: true }).click();
  await row(page, "刘秀英").waitFor();
  await page.getByRole("button", { name: "刚结束 1" }).waitFor();
  await page.reload();
  await page.evaluate(() => { location.hash = "#/duty"; });
  await page.locator(".handover-line", { hasText: "误按，已电话核实" }).getByRole("link", { name: "刘秀英" }).click();
  // What is over leads on to its case, which is not.
  await page.getByRole("link", { name: /工单还没有办结（待派遣）/ }).click();
  await page.locator(".case-side h2", { hasText: "刘秀英" }).waitFor();
  await page.calm();
  await page.context().close();
});

test("on a phone the map is a press away and shows where she is now and since when, however she walks", async () => {
  house.report(1, { type: "location", t: new Date(Date.now() - 60_000).toISOString(), lat: 31.8201, lon: 117.2290, acc: 8 });
  house.report(1, { type: "sos", lat: 31.8206, lon: 117.2292, t: new Date(Date.now() - 90_000).toISOString() });
  const page = await open(house, "#/alerts", { width: 390, height: 844, touch: true });
  await row(page, "王桂兰").getByRole("button").tap();
  const caption = page.locator(".map-caption");
  const { id } = await raised("w1");
  const before = (await house.api("GET", `/incidents/${id}`)).position;
  house.report(1, { type: "location", lat: 31.8216, lon: 117.2299, acc: 8 });
  await eventually("she has moved", async () => (await house.api("GET", `/incidents/${id}`)).position.lat !== before.lat);
  await eventually("the caption tells the time of the place, not of the alarm", async () => /最后位置 · \d+ 秒前/.test(await caption.innerText()));
  await page.getByRole("button", { name: "老人在哪里" }).tap();
  await eventually("the whole fence is in sight", () => page.evaluate(() => {
    const label = document.querySelector(".map-holder .place-label")?.getBoundingClientRect();
    const map = document.querySelector(".map-holder").getBoundingClientRect();
    const strip = document.querySelector(".strip").getBoundingClientRect();
    return label && label.left >= map.left && label.right <= map.right && map.top >= strip.bottom - 1 && map.bottom <= innerHeight + 1;
  }));
  await page.calm();
  await page.context().close();
});

test("names on the map do not cover one another, and the gravest can be read", async () => {
  house.report(4, { type: "sos", lat: 31.8216, lon: 117.22995 });
  await raised("w4");
  const page = await open(house, "#/map", { width: 390, height: 844, touch: true });
  const labels = page.locator(".place-label");
  await eventually("both are drawn", async () => await labels.count() === 2);
  await eventually("one can be read", async () => (await labels.evaluateAll((all) => all.filter((one) => getComputedStyle(one).visibility === "visible"))).length === 1);
  await page.calm();
  await page.context().close();
});

test("what is not there says so, and on a phone leads back", async () => {
  const page = await open(house, "#/alerts", { width: 390, height: 844, touch: true, expected: [404] });
  for (const [hash, back] of [["alerts/i999", "alerts"], ["elders/w999", "elders"], ["cases/c999", "cases"], ["doctor/i999", "doctor"], ["field/c999", "field"]]) {
    await page.evaluate((to) => { location.hash = to; }, `#/${hash}`);
    await page.getByText("找不到").waitFor();
    // It is still said after something else has happened.
    await page.evaluate(async () => { const { touch } = await import("./store.js"); for (const topic of ["incident", "case"]) touch(topic); });
    await page.waitForTimeout(100);
    await page.getByText("找不到").waitFor();
    await page.getByRole("link", { name: "返回" }).tap();
    await eventually(`${hash} leads back`, () => page.evaluate((to) => location.hash === to, `#/${back}`));
    await eventually("it is gone", async () => await page.getByText("找不到").filter({ visible: true }).count() === 0);
  }
  await page.calm();
  await page.context().close();
});

test("whoever handles a case is offered neither to verify nor to close it, and is told what it waits for", async () => {
  await house.api("POST", "/accounts", { id: "desk", password: "a long enough one", role: "desk", name: "陈值班", person: "s1", scope: "/luyang/" });
  const { id } = await raised("w4");
  const found = await eventually("a case", async () => (await house.api("GET", "/cases?state=open")).data.find((one) => one.incident === id));
  const page = await open(house, "", { token: null, expected: [401] });
  await page.getByLabel("账号").fill("desk");
  await page.getByLabel("密码").fill("a long enough one");
  await page.getByRole("button", { name: "登录", exact: true }).click();
  await page.locator('.link[data-state="live"]').waitFor();
  await page.evaluate((hash) => { location.hash = hash; }, `#/cases/${found.id}`);
  const side = page.locator(".case-side");
  await side.locator(".button.primary", { hasText: "派遣" }).waitFor();
  await side.getByRole("button", { name: "接单" }).click();
  for (const name of ["到场", "处理反馈"]) {
    await side.locator(".button.primary", { hasText: name }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByRole("textbox").fill("老人平安");
    await dialog.getByRole("button", { name, exact: true }).click();
    await dialog.waitFor({ state: "detached" });
  }
  await side.getByText("等待他人核查").waitFor();
  for (const name of ["核查", "结案"]) assert.equal(await side.getByRole("button", { name, exact: true }).count(), 0, name);
  // Somebody else does.
  const other = await open(house, `#/cases/${found.id}`);
  for (const name of ["核查", "结案"]) {
    await other.locator(".case-side .button.primary", { hasText: name }).click();
    const dialog = other.getByRole("dialog");
    await dialog.getByRole("button", { name, exact: true }).click();
    await dialog.waitFor({ state: "detached" });
  }
  await side.getByText(/：结案/).waitFor();
  for (const one of [page, other]) { await one.calm(); await one.context().close(); }
});
