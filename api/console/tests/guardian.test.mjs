// The page behind the link in a guardian's message, on a phone, with and without JavaScript.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import { House, assert, endBrowser, eventually, open } from "./house.mjs";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const TARGET_PX_MIN = 60;
/** 18 pt. */
const TEXT_PX_MIN = 24;
/** Two taps in less are a double tap, which zooms. */
const TAP_PAUSE_MS = 400;

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
    const go = page.getByRole("button", { name: "我已知晓，马上去" });
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

test("a guardian who cannot go is believed, the next is called, and may think better of it", async () => {
  house.phones.taken.length = 0;
  house.sos(4);
  const link = await linkTo("g1");
  const page = await open(house, "", { token: null, width: 390, height: 844, script: false, expected: [401] });
  await page.goto(`${house.base}${link}`);
  await page.getByRole("button", { name: "我去不了" }).click();
  await page.getByRole("status").getByText("已记下：您去不了").waitFor();
  assert.equal(await page.getByRole("button", { name: "我去不了" }).count(), 0, "once is enough");
  await page.getByText("还没有人确认前往").waitFor();
  await eventually("the next is called", () => house.phones.call("g2"));
  const [incident] = (await house.api("GET", "/incidents?state=open&wearer=w4")).data;
  assert.equal(incident.acknowledged_by, null);
  const desk = await open(house, `#/alerts/${incident.id}`);
  await desk.locator(".timeline").getByText("王芳 表示无法前往").waitFor();
  assert.equal(await desk.locator(".timeline").getByText("按 1 确认").count(), 0, "who cannot come has confirmed nothing");
  await page.getByRole("button", { name: "我已知晓，马上去" }).click();
  await page.getByText("您已确认前往").waitFor();
  await desk.locator(".now", { hasText: "王芳 正在前往" }).waitFor();
  for (const one of [page, desk]) { await one.calm(); await one.context().close(); }
});

test("a call that is answered with 2 is told as that, and not as a promise", async () => {
  const [before] = (await house.api("GET", "/incidents?state=open&wearer=w4")).data;
  await house.api("POST", `/incidents/${before.id}/actions/resolve`, { disposition: "helped", note: "平安" });
  house.phones.taken.length = 0;
  house.sos(4);
  await house.phones.say("g1", "key", "2");
  await eventually("the next is called", () => house.phones.call("g2"));
  const incident = await eventually("it is open", async () => (await house.api("GET", "/incidents?state=open&wearer=w4")).data.at(-1));
  const desk = await open(house, `#/alerts/${incident.id}`);
  await desk.locator(".timeline").getByText("王芳 表示无法前往").waitFor();
  assert.equal(await desk.locator(".timeline").getByText("王芳 按 1 确认").count(), 0);
  await desk.calm();
  await desk.context().close();
});

test("the guardian's page speaks the guardian's language, and what is over shows no place any more", async () => {
  const g2 = Object.fromEntries(Object.entries(await house.api("GET", "/people/g2")).filter(([, value]) => value !== null));
  await house.api("POST", "/import", { people: [{ ...g2, lang: "en" }] });
  house.phones.taken.length = 0;
  house.report(1, { type: "sos", id: "again", lat: 31.8206, lon: 117.2292 });
  const link = await linkTo("g2");
  const page = await open(house, "", { token: null, width: 390, height: 844, language: "en", expected: [401] });
  await page.goto(`${house.base}${link}`);
  assert.equal(await page.locator("html").getAttribute("lang"), "en");
  await page.getByText(/^As of \d\d:\d\d:\d\d/).waitFor();
  await page.getByRole("link", { name: "Open in a map app" }).waitFor();
  const rest = (await page.locator("main").innerText()).replaceAll(/王桂兰|王芳|银杏社区|管理员/g, "");
  assert.ok(!/[\u3400-\u9fff]/.test(rest), rest);
  for (const open_ of (await house.api("GET", "/incidents?state=open&wearer=w1")).data) {
    await house.api("POST", `/incidents/${open_.id}/actions/resolve`, { disposition: "helped", note: "fine" });
  }
  await page.getByRole("link", { name: "Refresh" }).click();
  await page.getByText("It is over").waitFor();
  assert.equal(await page.locator("svg").count(), 0, "no place once it is over");
  assert.equal(await page.locator("button").count(), 0, "and nothing to press");
  await page.calm();
  await page.context().close();
});

test("a code to her own phone opens the map, the track and the fence editor, which a thumb draws with", async () => {
  house.phones.taken.length = 0;
  const now = Date.now();
  const walk = Array.from({ length: 12 }, (_, n) => ({ type: "location", t: new Date(now - (12 - n) * 600_000).toISOString(), lat: 31.8206 + n / 20_000, lon: 117.2332, acc: 8 }));
  house.report(3, walk);
  house.sos(3);
  const link = await linkTo("g1");
  const page = await open(house, "", { token: null, width: 390, height: 844, touch: true, expected: [401, 422] });
  await page.goto(`${house.base}${link}`);
  await page.getByRole("link", { name: "位置、轨迹与围栏" }).click();
  await page.getByText("+86138****0001").waitFor();
  await page.getByRole("button", { name: "发送验证码" }).click();
  const code = await eventually("a code", () => house.phones.taken.map((one) => /验证码.*[：:](\d{6})$/.exec(one.text)?.[1]).findLast(Boolean));
  assert.equal(house.phones.taken.find((one) => one.text.endsWith(code)).to, "+8613800000001");
  await page.getByLabel(/6 位验证码/).fill(code === "123456" ? "654321" : "123456");
  await page.getByRole("button", { name: "打开" }).click();
  await page.getByText(/验证码不正确，还可尝试 4 次/).waitFor();
  await page.getByLabel(/6 位验证码/).fill(code);
  await page.getByRole("button", { name: "打开" }).click();
  await page.getByText(/第 13\/13 个定位/).waitFor();
  const size = await page.evaluate(() => parseFloat(getComputedStyle(document.querySelector("main")).fontSize));
  assert.ok(size >= TEXT_PX_MIN, `text of ${size} px`);
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => window.axe.run(document));
  assert.deepEqual(violations.filter(({ impact }) => ["serious", "critical"].includes(impact)).map(({ id, nodes }) => `${id} ${nodes[0].html}`), []);

  // Four corners, each a tap; the third one is then dragged with the thumb.
  const fences = page.locator("#fences");
  await fences.getByRole("button", { name: "画多边形围栏" }).tap();
  const map = fences.locator(".map");
  await map.scrollIntoViewIfNeeded();
  const box = await map.boundingBox();
  const corner = (x, y) => ({ x: box.x + box.width * x, y: box.y + box.height * y });
  for (const [x, y] of [[0.25, 0.25], [0.75, 0.25], [0.7, 0.7], [0.25, 0.75]]) {
    const at = corner(x, y);
    await page.touchscreen.tap(at.x, at.y);
    await page.waitForTimeout(TAP_PAUSE_MS);
  }
  await fences.getByText("已有 4 个角").waitFor();
  const handles = fences.locator(".handle");
  assert.equal(await handles.count(), 4);
  const third = await handles.nth(2).boundingBox();
  assert.ok(third.width >= 44 && third.height >= 44, "a handle for a thumb");
  await drag(page, { x: third.x + third.width / 2, y: third.y + third.height / 2 }, corner(0.78, 0.8));
  const moved = await handles.nth(2).boundingBox();
  assert.ok(moved.x - third.x > 15 && moved.y - third.y > 15, `the corner moved by ${moved.x - third.x}, ${moved.y - third.y}`);

  // What the server finds wrong is said where it is entered.
  await fences.getByRole("button", { name: "保存" }).tap();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("名称").fill("家 附近");
  await dialog.getByRole("button", { name: "保存" }).tap();
  await dialog.getByRole("alert").getByText("/fences/").waitFor();
  await dialog.getByLabel("名称").fill("park");
  await dialog.getByRole("button", { name: "保存" }).tap();
  await page.locator(".toast", { hasText: "围栏已生效" }).waitFor();
  const drawn = (await house.api("GET", "/wearers/w3")).fences.find((one) => one.id === "park");
  assert.equal(drawn.geometry.coordinates[0].length, 5, JSON.stringify(drawn));
  await page.calm();
  await page.context().close();
});

test("a link of yesterday names whom to call, and sends another to the phone that is registered", async () => {
  house.phones.taken.length = 0;
  house.report(2, { type: "sos", id: "yesterday", lat: 31.8206, lon: 117.2312 });
  const link = await linkTo("g1");
  await house.serveLater(25);
  const page = await open(house, "", { token: null, width: 390, height: 844, script: false, expected: [401, 410] });
  await page.goto(`${house.base}${link}`);
  await page.getByRole("heading", { name: "链接已失效" }).waitFor();
  await page.getByText(/有效期一天/).waitFor();
  await page.getByRole("link", { name: /致电.*\+8613800000010/ }).waitFor();
  assert.ok(!(await page.content()).includes("31.82"), "no place for whoever holds an old link");
  house.phones.taken.length = 0;
  await page.getByRole("button", { name: "重新发送链接" }).click();
  await page.getByRole("status").getByText("新链接已发到您登记的手机").waitFor();
  const sent = await eventually("another message", () => house.phones.taken.find((one) => one.person === "g1" && /\/g\//.test(JSON.stringify(one))));
  assert.equal(sent.to, "+8613800000001");
  await page.goto(`${house.base}${/\/g\/[\w.-]+/.exec(JSON.stringify(sent))[0]}`);
  await page.getByRole("heading", { name: "陈德福" }).waitFor();
  await page.calm();
  await page.context().close();
});

/** A finger that goes down, moves and lifts, as the browser itself would see it. */
async function drag(page, from, to) {
  const session = await page.context().newCDPSession(page);
  const touch = (type, points) => session.send("Input.dispatchTouchEvent", { type, touchPoints: points });
  await touch("touchStart", [from]);
  for (let step = 1; step <= 8; step += 1) {
    await touch("touchMove", [{ x: from.x + ((to.x - from.x) * step) / 8, y: from.y + ((to.y - from.y) * step) / 8 }]);
  }
  await touch("touchEnd", []);
}
