// The elder's page: contacts and whether they were reached, devices, track, trends, consent, who looked; the registry; the
// channels and what is set for them.
import { after, before, test } from "node:test";
import { House, ORG, assert, endBrowser, eventually, open } from "./house.mjs";

let house;
before(async () => { house = await House.start(); });
after(async () => { await endBrowser(); await house?.end(); });

const save = (page, name) => page.getByRole("dialog").getByRole("button", { name, exact: true }).click();
const link = (person) => eventually(`a link to ${person}`, () => house.phones.taken
  .filter((one) => one.person === person && one.channel !== "voice").map((one) => /\/g\/[\w.-]+/.exec(JSON.stringify(one))?.[0]).findLast(Boolean));

test("who is called, who was ever reached, what is worn, where she was, how she is, and who looked", async () => {
  const ago = (minutes) => new Date(Date.now() - minutes * 60_000).toISOString();
  house.report(1, Array.from({ length: 10 }, (_, n) => ({ type: "location", t: ago(60 - n * 5), lat: 31.8206 + n / 20_000, lon: 117.2292, acc: 8 })));
  house.report(1, [{ type: "battery", pct: 41 }, { type: "blood_pressure", sys: 150, dia: 84 }]);
  house.sos(1);
  await house.phones.say("g1", "no_answer");
  await house.phones.say("g2", "key", "1");
  const page = await open(house, "#/elders/w1");
  const contact = (name) => page.locator(".contacts li", { hasText: name });
  await contact("王芳").getByText("从未接通").waitFor();
  await contact("王强").getByText(/曾接通/).waitFor();
  await page.locator(".contacts li", { hasText: "860000000000001" }).getByText(/41/).waitFor();
  await page.getByText("150/84 mmHg").waitFor();
  await page.getByRole("tab", { name: "轨迹" }).click();
  await page.getByText("第 11/11 个定位").waitFor();
  await page.getByLabel("时间").fill("0");
  await page.getByText("第 1/11 个定位").waitFor();
  const file = page.waitForEvent("download");
  await page.getByRole("button", { name: "GPX" }).click();
  assert.equal((await file).suggestedFilename(), "w1.gpx");
  await page.getByRole("tab", { name: "体征趋势" }).click();
  await page.locator(".plot canvas").first().waitFor();
  await page.getByRole("tab", { name: "历次报警" }).click();
  await page.locator(".incident-line", { hasText: "SOS" }).waitFor();
  await page.getByRole("tab", { name: "谁看过" }).click();
  await page.locator("td", { hasText: "轨迹回放" }).first().waitFor();
  await page.calm();
  await page.context().close();
});

test("a consent that is taken back hides the track from the family, but not while something has happened", async () => {
  const now = Date.now();
  house.report(2, Array.from({ length: 5 }, (_, n) => ({ type: "location", t: new Date(now - (5 - n) * 300_000).toISOString(), lat: 31.8206, lon: 117.2312, acc: 8 })));
  const page = await open(house, "#/elders/w2", { expected: [403] });
  const card = page.locator("#consents");
  const location = card.locator("li", { hasText: "查看位置与轨迹" });
  await location.getByText("未登记").waitFor();
  await location.getByRole("button", { name: "登记同意" }).click();
  await page.getByLabel("谁同意").selectOption({ label: "王芳" });
  await page.getByLabel("备注").fill("2026-031");
  await save(page, "保存");
  await location.getByText("已同意").waitFor();
  await location.getByText(/王芳 · 书面 · .* · 2026-031/).waitFor();
  const { consents: [given] } = await house.api("GET", "/wearers/w2");
  assert.deepEqual([given.to, given.by, given.how, given.withdrawn_at], ["location", "g1", "paper", undefined]);
  const guardian = await house.tokenFor("guardian");
  const track = async (token) => (await fetch(`${house.base}/api/v1/wearers/w2/track`, { headers: { authorization: `Bearer ${token}` } })).status;
  assert.equal(await track(guardian), 200);
  await location.getByRole("button", { name: "撤回同意" }).click();
  await save(page, "撤回同意");
  await location.getByText("已撤回").waitFor();
  assert.equal(await track(guardian), 403);
  await page.getByRole("tab", { name: "轨迹" }).click();
  await page.getByText("紧急查看位置").waitFor();
  // An emergency needs no consent, and the family's page shows where she is.
  house.phones.taken.length = 0;
  house.sos(2);
  const address = await link("g1");
  assert.equal(await track(guardian), 200);
  const phone = await open(house, "", { token: null, width: 390, height: 844, touch: true, expected: [401, 403] });
  await phone.goto(`${house.base}${address}`);
  await phone.getByRole("link", { name: "位置、轨迹与围栏" }).click();
  await phone.getByRole("button", { name: "发送验证码" }).click();
  const code = await eventually("a code", () => house.phones.taken.map((one) => /验证码.*[：:](\d{6})$/.exec(one.text)?.[1]).findLast(Boolean));
  await phone.getByLabel(/6 位验证码/).fill(code);
  await phone.getByRole("button", { name: "打开" }).click();
  await phone.getByText(/第 \d+\/\d+ 个定位/).waitFor();
  const [incident] = (await house.api("GET", "/incidents?state=open&wearer=w2")).data;
  await house.api("POST", `/incidents/${incident.id}/actions/acknowledge`, {});
  await house.api("POST", `/incidents/${incident.id}/actions/resolve`, { disposition: "helped", note: "平安" });
  await phone.reload();
  await phone.getByText(/已撤回查看位置的同意/).first().waitFor();
  assert.equal(await phone.locator(".place-label").count(), 0);
  await phone.calm();
  await page.calm();
  await phone.context().close();
  await page.context().close();
});

test("what was changed by mistake is taken back with one press, unless somebody else has changed it since", async () => {
  const page = await open(house, "#/elders/w3", { expected: [412] });
  const rename = async (name) => {
    await page.getByRole("button", { name: "修改资料" }).click();
    await page.getByRole("dialog").getByLabel("姓名").fill(name);
    await save(page, "保存");
    await page.locator(".detail-title h2", { hasText: name }).waitFor();
  };
  await rename("刘秀芬");
  await page.locator(".toast").getByRole("button", { name: "撤销" }).last().click();
  await page.locator(".detail-title h2", { hasText: "刘秀英" }).waitFor();
  assert.equal((await house.api("GET", "/wearers/w3")).name, "刘秀英");
  await rename("刘秀兰");
  await house.api("POST", "/import", { wearers: [{ id: "w3", name: "刘秀华", org: ORG, guardians: ["g1"] }] });
  await page.locator(".toast").getByRole("button", { name: "撤销" }).last().click();
  await page.locator(".toast.bad").waitFor();
  assert.equal((await house.api("GET", "/wearers/w3")).name, "刘秀华");
  await page.calm();
  await page.context().close();
});

test("a stay in hospital is asked until when, and what is not paused asks for no end", async () => {
  const page = await open(house, "#/elders/w4");
  await page.getByRole("button", { name: "修改资料" }).click();
  const dialog = page.getByRole("dialog");
  const until = dialog.getByLabel("暂停至");
  await dialog.getByLabel("暂停", { exact: true }).waitFor();
  assert.equal(await until.isVisible(), false, "nothing is paused");
  await dialog.getByLabel("暂停", { exact: true }).selectOption("hospital");
  await until.fill("");
  await dialog.getByRole("button", { name: "保存" }).click();
  await dialog.getByRole("alert").getByText("暂停至：必填").waitFor();
  await until.fill("2031-01-02T08:30");
  await save(page, "保存");
  await page.locator(".tag", { hasText: /住院至 .*1月2日 08:30/ }).waitFor();
  assert.equal((await house.api("GET", "/wearers/w4")).suspension.kind, "hospital");
  await page.calm();
  await page.context().close();
});

test("an import tells every fault with its row, changes nothing, and takes the mended file", async () => {
  const page = await open(house, "#/registry/import", { expected: [422] });
  const file = { wearers: [{ id: "w7", name: "何奶奶", org: "/nowhere/", guardians: ["g77"] }] };
  await page.locator("textarea").fill(JSON.stringify(file));
  await page.getByRole("button", { name: "只检查" }).click();
  await page.getByText("/wearers/0/org").waitFor();
  await page.getByText("/wearers/0/guardians/0").waitFor();
  file.wearers[0] = { ...file.wearers[0], org: ORG, guardians: ["g1"] };
  await page.locator("textarea").fill(JSON.stringify(file));
  await page.getByRole("button", { name: "导入", exact: true }).click();
  await eventually("she is there", async () => (await house.api("GET", "/wearers?limit=500")).data.some((one) => one.id === "w7"));
  await page.getByRole("link", { name: "老人", exact: true }).last().click();
  await page.locator(".registry-row", { hasText: "何奶奶" }).waitFor();
  await page.calm();
  await page.context().close();
});

test("the channels are shown with who carries them, how they are, and their settings without a secret", async () => {
  const page = await open(house, "#/providers");
  const channel = (name) => page.locator(".channels > li", { hasText: name }).first();
  await channel("短信").getByText("gateway").first().waitFor();
  await channel("短信").getByText(/最近成功/).waitFor();
  await channel("邮件").getByText("未配置").waitFor();
  await channel("短信").locator("summary").click();
  await channel("短信").locator("tr", { hasText: "secret" }).getByText("已设置，不显示").waitFor();
  await channel("短信").locator("tr", { hasText: "url" }).getByText("配置文件").waitFor();
  assert.ok(!(await page.content()).includes("whsec_"), "no credential on the page");
  assert.ok(!JSON.stringify(await house.api("GET", "/channels")).includes(house.phones.secret.slice(6, 16)));
  await page.calm();
  await page.context().close();
});
