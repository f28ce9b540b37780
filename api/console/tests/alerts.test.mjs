// 实时告警, as somebody at the desk uses it.
import { after, before, test } from "node:test";
import { House, REGISTRY, assert, endBrowser, eventually, open } from "./house.mjs";

let house;
before(async () => { house = await House.start(); });
after(async () => { await endBrowser(); await house?.end(); });

const row = (page, name) => page.locator(".row", { hasText: name });

test("an SOS is heard and seen, taken, told in words, and closed", async () => {
  const page = await open(house);
  await page.getByText("此刻没有人需要帮助").waitFor();
  await page.getByRole("button", { name: "开始值班" }).click();
  await page.getByRole("button", { name: "静音" }).waitFor();
  assert.deepEqual(await page.evaluate(() => window.sounds), ["test"], "a test tone");

  house.sos(1);
  await row(page, "王桂兰").waitFor();
  await eventually("the alarm is heard", () => page.evaluate(() => window.sounds.includes("high")));
  await row(page, "王桂兰").getByRole("button").click();
  await page.locator(".now", { hasText: "王芳" }).waitFor();

  await house.phones.say("g1", "no_answer");
  await page.locator(".now", { hasText: "王强" }).waitFor();
  const story = page.locator(".timeline");
  for (const line of ["王桂兰按下 SOS", "短信 王芳、王强", "拨打 王芳", "王芳 无人接听", "拨打 王强"]) await story.getByText(line).first().waitFor();

  await page.getByRole("button", { name: "受理", exact: true }).click();
  await page.locator(".now", { hasText: "正在前往" }).waitFor();
  await story.getByText("停止呼叫 王强").waitFor();
  await page.getByRole("button", { name: "延长时限" }).click();
  await page.getByRole("button", { name: "已到场" }).first().click();
  await page.getByRole("dialog").getByRole("button", { name: "已到场" }).click();
  await page.locator(".now", { hasText: "已到场" }).waitFor();

  await page.getByRole("button", { name: "结案" }).first().click();
  const dialog = page.getByRole("dialog");
  await dialog.getByRole("button", { name: "结案" }).click();
  await dialog.getByRole("alert").getByText("必填").waitFor();
  await dialog.getByLabel("备注（必填）").fill("老人平安，家属已到");
  await dialog.getByRole("button", { name: "结案" }).click();
  await page.locator(".now", { hasText: "已提供帮助" }).waitFor();
  await page.getByText("此刻没有人需要帮助").waitFor();
  await page.getByRole("button", { name: "重新打开" }).waitFor();
  await page.calm();
  await page.context().close();
});

test("two members of staff take the same alarm: one has it, the other is told who", async () => {
  house.sos(2);
  const first = await open(house, "#/alerts", { token: await house.tokenFor("desk"), expected: [409, 404] });
  const second = await open(house, "#/alerts", { token: await house.tokenFor("street", "/luyang/xinghua/"), expected: [409, 404] });
  const pages = [first, second];
  for (const page of pages) {
    await row(page, "陈德福").getByRole("button").click();
    await page.getByRole("button", { name: "受理", exact: true }).waitFor();
  }
  // At once: neither press reaches the server before both are made.
  let pressed = 0;
  for (const page of pages) {
    await page.route(/actions\/acknowledge$/, async (route) => {
      pressed += 1;
      await eventually("both have pressed", () => pressed >= pages.length);
      await route.continue();
    });
  }
  await Promise.all(pages.map((page) => page.getByRole("button", { name: "受理", exact: true }).click()));
  const said = await Promise.all(pages.map(async (page) => (await page.locator(".toast").first().textContent()).trim()));
  assert.equal(said.filter((text) => text.startsWith("已受理")).length, 1, said.join(" | "));
  assert.equal(said.filter((text) => text.startsWith("已由")).length, 1, said.join(" | "));
  for (const page of pages) {
    await page.locator(".now", { hasText: "正在前往" }).waitFor();
    await page.calm();
    await page.context().close();
  }
});

test("the server goes away and comes back under an open page: seen, heard, and nothing missed", async () => {
  const page = await open(house, "#/alerts", { expected: [0] });
  await page.getByRole("button", { name: "开始值班" }).click();
  await house.kill();
  await page.getByRole("alert").getByText("连接已中断").waitFor();
  await eventually("the loss is heard", () => page.evaluate(() => window.sounds.includes("lost")));
  await house.serve();
  house.sos(3);
  await row(page, "刘秀英").waitFor();
  await page.locator('.link[data-state="live"]').waitFor();
  assert.ok(await page.locator(".banner").isHidden());
  await page.calm();
  await page.context().close();
});

test("keys do what the list of keys says, and several are taken with one note", async () => {
  house.sos(4);
  const page = await open(house);
  await row(page, "赵永福").waitFor();
  await page.keyboard.press("?");
  await page.getByRole("dialog").getByText("快捷键").waitFor();
  await page.keyboard.press("Escape");
  await page.keyboard.press("j");
  await page.locator(".detail h2").waitFor();
  await page.keyboard.press("n");
  await page.getByRole("dialog").getByRole("textbox").fill("已电话联系邻居");
  await page.getByRole("dialog").getByRole("button", { name: "备注" }).click();
  await page.locator(".timeline").getByText("已电话联系邻居").waitFor();
  await page.keyboard.press("/");
  await page.keyboard.type("银杏");
  assert.ok(await row(page, "赵永福").isVisible());
  await page.keyboard.press("Escape");
  const boxes = page.locator(".row.waits input[type=checkbox]");
  const waiting = await boxes.count();
  assert.ok(waiting >= 2, `${waiting} wait`);
  for (let place = 0; place < waiting; place += 1) await boxes.nth(place).check();
  await page.getByRole("button", { name: "全部受理" }).click();
  await page.getByRole("dialog").getByRole("textbox").fill("统一派人前往");
  await page.getByRole("dialog").getByRole("button", { name: "全部受理" }).click();
  await page.locator(".toast", { hasText: `已受理 ${waiting} 条` }).waitFor();
  await eventually("none waits", async () => (await page.locator(".row.waits").count()) === 0);
  await page.keyboard.press("m");
  await page.calm();
  await page.context().close();
});

test("the map draws graticule, scale, fence and place without a tile", async () => {
  const page = await open(house);
  await page.locator(".row").first().getByRole("button").click();
  await page.locator(".detail h2").waitFor();
  await page.locator(".place-label").first().waitFor();
  await page.locator(".leaflet-control-scale-line").waitFor();
  const drawn = await eventually("lines on the canvases", () => page.evaluate(() => [...document.querySelectorAll(".map canvas")].filter((canvas) => {
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    return data.some((value, place) => place % 4 === 3 && value > 0);
  }).length === 2));
  assert.ok(drawn);
  assert.equal(await page.locator(".leaflet-tile").count(), 0);
  await page.calm();
  await page.context().close();
});

test("a map may go while a frame of it is still to be drawn", async () => {
  const page = await open(house);
  await page.evaluate(async () => {
    const { Chart } = await import("/console/map.js");
    const element = document.body.appendChild(document.createElement("div"));
    element.style.height = "200px";
    const chart = new Chart(element);
    const circle = window.L.circle([31.82, 117.23], { radius: 300 }).addTo(chart.layers);
    chart.fit();
    circle.setRadius(200); // asks for a frame
    chart.map.fire("viewreset").fire("moveend"); // draws at once, and forgets that frame
    chart.end();
    for (let frame = 0; frame < 3; frame += 1) await new Promise(requestAnimationFrame);
  });
  await page.calm();
  await page.context().close();
});

test("an elder who moves away takes the alarm along: the desk is told, and is not left with what it cannot act on", async () => {
  const page = await open(house, "#/alerts", { token: await house.tokenFor("desk"), expected: [404] });
  house.sos(3);
  await row(page, "刘秀英").getByRole("button").click();
  await page.getByRole("button", { name: "受理", exact: true }).waitFor();
  const elder = { ...REGISTRY.wearers[2], org: "/luyang/xinghua/guihua/" };
  const orgs = [{ path: elder.org, name: "桂花社区", desk: { phone: "+8613800000014" } }];
  await house.api("POST", "/import", { orgs, wearers: [elder] });
  await page.locator(".toast", { hasText: "刘秀英 已转至其他社区" }).waitFor();
  await row(page, "刘秀英").waitFor({ state: "detached" });
  await page.getByRole("button", { name: "受理", exact: true }).waitFor({ state: "detached" });
  const other = await open(house, "#/alerts", { token: await house.tokenFor("desk", elder.org) });
  await row(other, "刘秀英").getByRole("button").click();
  await other.getByRole("button", { name: "受理", exact: true }).waitFor();
  for (const one of [page, other]) {
    await one.calm();
    await one.context().close();
  }
});
