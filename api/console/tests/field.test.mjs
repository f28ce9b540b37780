// What comes from outside: a report with a photo (随手拍), a round of visits with its questions, thresholds tried on the
// past; and what an administrator keeps: accounts and webhooks.
import { after, before, test } from "node:test";
import { House, assert, endBrowser, eventually, open } from "./house.mjs";

let house;
before(async () => { house = await House.start(); });
after(async () => { await endBrowser(); await house?.end(); });

const save = (page, name) => page.getByRole("dialog").getByRole("button", { name, exact: true }).click();

test("somebody reports what they saw, with a photo, and the desk sees both", async () => {
  const phone = await open(house, "#/field", { token: await house.tokenFor("volunteer"), width: 390, height: 844, expected: [403, 415, 422] });
  const picture = { name: "lamp.png", mimeType: "image/png", buffer: await phone.screenshot() };
  await phone.getByRole("button", { name: "随手拍" }).click();
  await phone.getByLabel("看到了什么").fill("楼道灯坏了，赵大爷差点摔倒");
  await phone.getByLabel("在哪里").fill("3 栋 2 单元");
  await phone.getByLabel("照片").setInputFiles(picture);
  await save(phone, "提交");
  await phone.locator(".toast", { hasText: "已上报" }).waitFor();
  const [filed] = (await house.api("GET", "/cases?state=open")).data;
  assert.equal(filed.text, "楼道灯坏了，赵大爷差点摔倒");
  assert.equal(filed.photos.length, 1);

  const desk = await open(house, "#/cases", { token: await house.tokenFor("desk") });
  await desk.locator(".case-card", { hasText: "3 栋 2 单元" }).click();
  const shown = desk.locator(".photos img");
  await eventually("the photo is shown", () => shown.evaluateAll((all) => all.length === 1 && all[0].naturalWidth === 390));

  // What is no photo is refused in words, and nothing is added.
  await phone.locator(".field-card", { hasText: "随手拍" }).click();
  await phone.getByRole("button", { name: "接单" }).click();
  await phone.getByRole("button", { name: "拍照" }).click();
  const file = phone.getByRole("dialog").locator("input[type=file]");
  await file.setInputFiles({ name: "x.png", mimeType: "image/png", buffer: Buffer.from("no picture at all") });
  await save(phone, "提交");
  await phone.getByRole("dialog").getByRole("alert").getByText(/照片|图片|JPEG/).waitFor();
  await file.setInputFiles({ ...picture, buffer: await phone.screenshot() });
  await save(phone, "提交");
  await eventually("a second photo", async () => (await house.api("GET", `/cases/${filed.id}`)).photos.length === 2);
  await phone.calm();
  await phone.context().close();
  await desk.context().close();
});

test("a round of visits asks its questions, and the page shows what was found", async () => {
  const desk = await open(house, "#/cases", { token: await house.tokenFor("desk") });
  await desk.getByRole("button", { name: "发起巡访" }).click();
  await desk.getByLabel("走访谁").selectOption("listed");
  await desk.getByLabel("老人姓名或编号").fill("w1");
  // Three are asked as a rule: the last is taken out, the second gets another choice, and one without choices is refused.
  await desk.getByRole("button", { name: "删除此题" }).last().click();
  const second = desk.locator(".question").nth(1);
  assert.equal(await second.getByLabel("问什么").inputValue(), "用药情况");
  await second.getByLabel("选项", { exact: true }).last().fill("家人代管");
  await second.getByLabel("必答").check();
  await second.getByRole("button", { name: "提前一题" }).click();
  await desk.getByRole("button", { name: "添加问题" }).click();
  const third = desk.locator(".question").nth(2);
  await third.getByLabel("问什么").fill("血糖");
  await third.getByLabel("怎么答").selectOption("choice");
  await save(desk, "发起巡访");
  await third.getByRole("alert").getByText("请至少填写两个选项").waitFor();
  await third.getByLabel("怎么答").selectOption("number");
  await save(desk, "发起巡访");
  await desk.locator(".toast", { hasText: "共 1 户" }).waitFor();
  const visit = await eventually("the visit", async () => (await house.api("GET", "/cases?state=open")).data.find((one) => one.kind === "patrol"));
  assert.deepEqual(visit.form.map(({ label, kind, choices, required }) => [label, kind, choices ?? [], required ?? false]), [
    ["用药情况", "choice", ["按时", "偶尔忘", "没吃", "家人代管"], true], ["今天精神好吗", "yes_no", [], false], ["血糖", "number", [], false],
  ]);
  const worker = await open(house, `#/cases/${visit.id}`, { token: await house.tokenFor("grid_worker") });
  await worker.getByRole("button", { name: "接单" }).click();
  await worker.getByRole("button", { name: "到场", exact: true }).click();
  await save(worker, "到场");
  await worker.getByRole("button", { name: "处理反馈" }).click();
  await worker.getByRole("dialog").getByLabel("今天精神好吗").selectOption("true");
  await worker.getByRole("dialog").getByLabel("用药情况").selectOption("偶尔忘");
  await worker.getByRole("dialog").locator("textarea").fill("已提醒");
  await save(worker, "处理反馈");
  await worker.locator(".block", { hasText: "走访问答" }).getByText("偶尔忘").waitFor();
  await desk.evaluate((id) => { location.hash = `#/cases/${id}`; }, visit.id);
  await desk.locator(".block", { hasText: "走访问答" }).getByText("偶尔忘").waitFor();
  await desk.calm();
  await worker.calm();
  await desk.context().close();
  await worker.context().close();
});

test("that a case was merged into another is told in the reader's language", async () => {
  const report = (text) => house.api("POST", "/cases", { text, org: "/luyang/xinghua/yinxing/", priority: "low", place: { text: "5 栋" } });
  const [kept, double] = [await report("楼道灯坏了"), await report("5 栋没有灯")];
  await house.api("POST", `/cases/${double.id}/actions/merge`, { into: kept.id, note: "同一盏灯 / 重复" }, house.token, { "if-match": `"${double.version}"` });
  for (const [language, told] of [["zh-CN", `${double.id} 并入：同一盏灯 / 重复`], ["en", `${double.id} merged: 同一盏灯 / 重复`]]) {
    const page = await open(house, `#/cases/${kept.id}`, { language });
    await page.locator(".case-side .line", { hasText: told }).waitFor();
    assert.ok(!(await page.locator(".case-side").innerText()).includes(language === "en" ? "并入" : "merged"));
    await page.calm();
    await page.context().close();
  }
});

test("the doctor tries thresholds on the past before they hold", async () => {
  house.report(3, { type: "blood_pressure", sys: 171, dia: 90 });
  // In this community a reading stands unless another follows within a second.
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  house.report(3, { type: "blood_pressure", sys: 231, dia: 121 });
  const page = await open(house, "#/doctor", { token: await house.tokenFor("doctor") });
  await page.locator(".doctor-row", { hasText: "刘秀英" }).first().click();
  await page.getByLabel(/收缩压上限/).fill("165");
  await page.getByRole("button", { name: "试算过去 30 天" }).click();
  const said = page.locator(".preview");
  await said.getByText(/改后会触发 \d+ 次/).waitFor();
  const [was, would] = (await said.innerText()).match(/(?:实际触发|改后会触发) (\d+) 次/g).map((text) => Number(/\d+/.exec(text)[0]));
  assert.ok(would > was, `was ${was}, would be ${would}`);
  assert.equal((await house.api("GET", "/wearers/w3")).thresholds.blood_pressure.sys_high, undefined, "nothing holds yet");
  await page.getByRole("button", { name: "保存", exact: true }).click();
  await save(page, "保存");
  await page.locator(".toast", { hasText: "阈值已生效" }).waitFor();
  const { thresholds } = await house.api("GET", "/wearers/w3");
  assert.deepEqual([thresholds.blood_pressure.sys_high, thresholds.blood_pressure.repeat_within_s, thresholds.set_by], [165, 1, "d1"]);
  // Nothing else of the patient is a doctor's to change.
  const doctor = await house.tokenFor("doctor");
  const patch = async (body) => {
    const read = await fetch(`${house.base}/api/v1/wearers/w3`, { headers: { authorization: `Bearer ${doctor}` } });
    return (await fetch(`${house.base}/api/v1/wearers/w3`, { method: "PATCH", headers: { authorization: `Bearer ${doctor}`, "content-type": "application/json", "if-match": read.headers.get("etag") }, body: JSON.stringify(body) })).status;
  };
  assert.equal(await patch({ name: "别人" }), 403);
  assert.equal(await patch({ name: "别人", thresholds: { blood_pressure: { sys_high: 160 } } }), 403);
  await page.locator(".toast").getByRole("button", { name: "撤销" }).click();
  await eventually("taken back", async () => (await house.api("GET", "/wearers/w3")).thresholds.blood_pressure.sys_high === undefined);
  await page.calm();
  await page.context().close();
});

test("an administrator makes an account, ends its sessions, locks it and opens it again", async () => {
  const page = await open(house, "#/accounts");
  await page.getByRole("button", { name: "新增账号" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("账号").fill("desk7");
  await dialog.getByLabel("姓名").fill("孙值班");
  await dialog.getByLabel("可见范围").selectOption({ value: "/luyang/xinghua/yinxing/" });
  await dialog.getByLabel("新密码").fill("a long enough one");
  await save(page, "保存");
  const row = page.locator("tr", { hasText: "desk7" });
  await row.getByText("孙值班").waitFor();
  const login = () => fetch(`${house.base}/api/v1/session`, { method: "POST", headers: { "content-type": "application/json", "sec-fetch-site": "same-origin" }, body: JSON.stringify({ account: "desk7", password: "a long enough one" }) });
  const cookie = (await login()).headers.get("set-cookie").split(";")[0];
  const known = async () => (await fetch(`${house.base}/api/v1/session`, { headers: { cookie } })).status;
  assert.equal(await known(), 200);
  await row.getByRole("button", { name: "全部退出" }).click();
  await save(page, "全部退出");
  await eventually("signed out", async () => await known() === 401);
  await row.getByRole("button", { name: "停用" }).click();
  await save(page, "停用");
  await row.getByText("停用", { exact: true }).first().waitFor();
  assert.equal((await login()).status, 401);
  await row.getByRole("button", { name: "启用" }).click();
  await save(page, "启用");
  await eventually("open again", async () => (await login()).status === 200);
  await page.calm();
  await page.context().close();
});

test("a webhook is made, its secret is shown once, a test is sent and its log read", async () => {
  const page = await open(house, "#/webhooks", { expected: [422] });
  await page.getByRole("button", { name: "新增对接" }).click();
  await page.getByLabel("名称").fill("街道平台");
  await page.getByLabel("地址").fill("http://example.org/");
  await save(page, "保存");
  await page.getByRole("alert").getByText("/url").waitFor();
  await page.getByLabel("地址").fill("https://hooks.invalid/yinling");
  await save(page, "保存");
  await page.getByRole("dialog").getByLabel("密钥").waitFor();
  assert.match(await page.getByRole("dialog").getByLabel("密钥").inputValue(), /^whsec_/);
  await save(page, "已保存好");
  await page.getByRole("button", { name: "发送测试" }).click();
  await eventually("a line in the log", async () => {
    await page.evaluate(() => window.dispatchEvent(new HashChangeEvent("hashchange")));
    return await page.locator("td", { hasText: "测试" }).count() > 0;
  });
  await page.getByRole("button", { name: "暂停" }).click();
  await page.locator(".tag", { hasText: "已暂停" }).waitFor();
  await page.getByRole("button", { name: "删除" }).click();
  await save(page, "删除");
  await page.getByText("选择一个系统").waitFor();
  await page.calm();
  await page.context().close();
});
