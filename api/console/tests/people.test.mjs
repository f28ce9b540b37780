// What the others do: the doctor takes an order, a volunteer a case; and who signs in with an account.
import { after, before, test } from "node:test";
import { House, assert, endBrowser, eventually, open } from "./house.mjs";

let house;
before(async () => { house = await House.start(); });
after(async () => { await endBrowser(); await house?.end(); });

test("the doctor takes the order, sees the trend with its thresholds, and writes a note that staff read", async () => {
  house.report(1, { type: "blood_pressure", sys: 231, dia: 121 });
  const page = await open(house, "#/", { token: await house.tokenFor("doctor") });
  await page.locator('body[data-page="doctor"], body[data-page="elders"]').waitFor();
  await page.evaluate(() => { location.hash = "#/doctor"; });
  await page.locator(".doctor-row", { hasText: "王桂兰" }).click();
  await page.locator(".plot canvas").waitFor();
  await page.getByText("阈值 · 血压").waitFor();
  await page.getByRole("button", { name: "接单" }).click();
  await page.locator(".detail-marks").getByText("已接单").waitFor();
  const [incident] = (await house.api("GET", "/incidents?state=open")).data;
  assert.ok(incident.doctor_order, "the server knows");
  await page.getByRole("button", { name: "备注", exact: true }).click();
  await page.getByRole("dialog").getByRole("textbox").fill("已电话随访，下午复测");
  await page.getByRole("dialog").getByRole("button", { name: "备注" }).click();
  await page.locator(".notes").getByText("已电话随访，下午复测").waitFor();
  const desk = await open(house, `#/alerts/${incident.id}`, { token: await house.tokenFor("desk") });
  await desk.locator(".timeline").getByText(/于医生.*备注：已电话随访，下午复测/).waitFor();
  await desk.calm();
  await desk.context().close();
  await page.calm();
  await page.context().close();
});

test("a volunteer takes a case on a phone, and somebody else does not get it any more", async () => {
  house.sos(2);
  await eventually("a case", async () => (await house.api("GET", "/cases?state=open")).data.length === 1);
  const first = await open(house, "#/field", { token: await house.tokenFor("volunteer"), width: 390, height: 844, expected: [403] });
  await first.locator(".field-card", { hasText: "陈德福" }).click();
  await first.getByRole("button", { name: "接单" }).click();
  await first.locator(".toast", { hasText: "已接单" }).waitFor();
  await first.getByRole("button", { name: "打卡" }).click();
  await first.locator(".toast", { hasText: "已打卡" }).waitFor();
  await first.getByRole("button", { name: "到场" }).click();
  await first.getByRole("dialog").getByRole("button", { name: "到场" }).click();
  await first.locator(".side-head .state", { hasText: "已到场" }).waitFor();
  await first.getByRole("button", { name: "处理反馈" }).click();
  await first.getByRole("dialog").getByRole("textbox").fill("老人平安");
  await first.getByRole("dialog").getByRole("button", { name: "处理反馈" }).click();
  await first.locator(".side-head .state", { hasText: "已反馈" }).waitFor();
  await first.calm();
  await first.context().close();
});

test("an account signs in with its password, stays signed in over a reload, and signs out", async () => {
  await house.api("POST", "/accounts", { id: "desk", password: "a long enough one", role: "desk", name: "陈值班", person: "s1", scope: "/luyang/" });
  const page = await open(house, "", { token: null, expected: [401] });
  await page.getByLabel("账号").fill("desk");
  await page.getByLabel("密码").fill("not that one");
  await page.getByRole("button", { name: "登录", exact: true }).click();
  await page.getByRole("alert").getByText("登录失败").waitFor();
  await page.getByLabel("密码").fill("a long enough one");
  await page.getByRole("button", { name: "登录", exact: true }).click();
  await page.locator(".menu .who", { hasText: "陈值班" }).waitFor();
  await page.reload();
  await page.locator(".menu .who", { hasText: "陈值班" }).click();
  await page.getByRole("button", { name: "退出登录" }).click();
  await page.getByRole("heading", { name: "登录银铃" }).waitFor();
  await page.reload();
  await page.getByRole("heading", { name: "登录银铃" }).waitFor();
  await page.calm();
  await page.context().close();
});

test("a fence that is drawn on the page raises the alarm when she leaves it", async () => {
  const at = (secondsAgo, lat) => ({ type: "location", t: new Date(Date.now() - secondsAgo * 1000).toISOString(), lat, lon: 117.2352, acc: 8 });
  house.report(4, at(600, 31.8206));
  await eventually("the fix is there", async () => (await house.api("GET", "/wearers/w4/latest")).position);
  const page = await open(house, "#/elders/w4");
  await page.getByRole("tab", { name: "围栏" }).click();
  await page.locator(".place-label", { hasText: "赵永福" }).waitFor();
  await page.getByRole("button", { name: "画圆形围栏" }).click();
  const box = await page.locator(".handle").first().boundingBox();
  assert.ok(box.width >= 44 && box.height >= 44, "a handle for a thumb");
  await page.getByRole("button", { name: "保存" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "保存" }).click();
  await page.locator(".toast", { hasText: "围栏已生效" }).waitFor();
  assert.equal((await house.api("GET", "/wearers/w4")).fences.length, 1);
  await page.evaluate(() => { location.hash = "#/alerts"; });
  house.report(4, at(30, 31.8206));
  house.report(4, at(8, 31.8250));
  house.report(4, at(0, 31.8252));
  await page.locator(".row", { hasText: "赵永福" }).getByText("走出围栏").waitFor();
  await page.calm();
  await page.context().close();
});
