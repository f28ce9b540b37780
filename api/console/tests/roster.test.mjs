// The duty roster as a form: it cannot be filled in wrongly, with keys only and with a thumb.
import { after, before, test } from "node:test";
import { House, ORG, assert, endBrowser, eventually, open } from "./house.mjs";

let house;
before(async () => { house = await House.start(); });
after(async () => { await endBrowser(); await house?.end(); });

const roster = () => house.api("GET", `/duty?org=${encodeURIComponent(ORG)}`);
const ALL = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const TARGET_PX_MIN = 44;

async function edit(page) {
  await page.getByRole("button", { name: "修改值班表" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.waitFor();
  return dialog;
}

test("a roster is chosen, not written: what is missing is said where it is missing, and nothing is sent until all is there", async () => {
  const page = await open(house, "#/duty");
  const dialog = await edit(page);
  const save = dialog.getByRole("button", { name: "保存" });
  await save.click();
  await dialog.getByText("请填写单位名称").waitFor();
  await dialog.getByText("请至少选一名值班人员").waitFor();
  const isFocused = (field) => field.evaluate((one) => one === document.activeElement);
  assert.ok(await isFocused(dialog.getByLabel("名称")), "the first that is missing has the focus");
  await dialog.getByLabel("名称").fill("社区值班");
  const first = dialog.getByRole("group", { name: "班次" }).first();
  for (const box of await first.getByRole("checkbox").all()) await box.uncheck();
  await first.getByLabel("值班人员").selectOption("s1");
  await save.click();
  await first.getByText("请至少选一天").waitFor();
  await first.getByRole("button", { name: "工作日" }).click();
  await first.getByLabel("从").fill("");
  await save.click();
  await first.getByText("请选择开始时间").waitFor();
  assert.equal((await roster()).version, 0, "nothing was sent");
  await first.getByLabel("从").fill("08:00");
  await first.getByLabel("到", { exact: true }).fill("18:00");
  await dialog.getByText("无人值班的时段").filter({ hasText: "周一 18:00–周二 08:00" }).waitFor();

  // The next shift goes on where this one ends.
  await dialog.getByRole("button", { name: "添加班次" }).click();
  const night = dialog.getByRole("group", { name: "班次" }).nth(1);
  assert.equal(await night.getByLabel("从").inputValue(), "18:00");
  await night.getByText("到次日").waitFor();
  await night.getByLabel("值班人员").selectOption("s2");
  await night.getByLabel("值班人员").selectOption("v1");
  await night.getByRole("button", { name: "每天" }).click();
  await dialog.getByText("周六 08:00–周六 18:00、周日 08:00–周日 18:00").waitFor();
  await save.click();
  await dialog.waitFor({ state: "detached" });
  const [unit] = (await roster()).units;
  assert.deepEqual({ ...unit, id: null }, { id: null, name: "社区值班", level: "community", shifts: [
    { people: ["s1"], days: ALL.slice(0, 5), from: "08:00", to: "18:00" }, { people: ["s2", "v1"], days: ALL, from: "18:00", to: "08:00" }] });
  await page.locator(".unit", { hasText: "社区值班" }).getByText("刘网格、何志愿").waitFor();
  await page.calm();
  await page.context().close();
});

test("with keys only, a shift is changed; what somebody else has changed meanwhile is not written over", async () => {
  const page = await open(house, "#/duty", { expected: [412] });
  await page.getByRole("button", { name: "修改值班表" }).focus();
  await page.keyboard.press("Enter");
  const dialog = page.getByRole("dialog");
  const night = dialog.getByRole("group", { name: "班次" }).nth(1);
  await night.getByRole("checkbox").nth(6).focus();
  await page.keyboard.press("Space");
  await night.getByRole("button", { name: /刘网格/ }).last().focus();
  await page.keyboard.press("Enter");
  const { units, version } = await roster();
  const other = { units: [{ ...units[0], name: "值班室" }] };
  const answer = await fetch(`${house.base}/api/v1/duty?org=${encodeURIComponent(ORG)}`, { method: "PUT", body: JSON.stringify(other),
    headers: { authorization: `Bearer ${house.token}`, "content-type": "application/json", "if-match": `"${version}"` } });
  assert.equal(answer.status, 200);
  await dialog.getByRole("button", { name: "保存" }).focus();
  await page.keyboard.press("Enter");
  await dialog.getByRole("alert").getByText(/版本/).waitFor();
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "detached" });
  assert.equal((await roster()).units[0].name, "值班室");
  await page.calm();
  await page.context().close();
});

test("on a phone the form fits, whatever is pressed is large enough for a thumb, and a shift is dropped again", async () => {
  const page = await open(house, "#/duty", { width: 360, height: 740, touch: true });
  const dialog = await edit(page);
  const fits = await dialog.evaluate((one) => one.scrollWidth <= one.clientWidth);
  assert.ok(fits, "nothing is cut off");
  const small = await dialog.evaluate((one, least) => [...one.querySelectorAll("button, select, input:not([type=checkbox]), label.day")]
    .filter((part) => part.getBoundingClientRect().height < least).map((part) => part.outerHTML.slice(0, 80)), TARGET_PX_MIN);
  assert.deepEqual(small, []);
  await dialog.getByRole("button", { name: "删除此班次" }).first().tap();
  await dialog.getByRole("button", { name: "保存" }).tap();
  await dialog.waitFor({ state: "detached" });
  await eventually("one shift is left", async () => (await roster()).units[0].shifts.length === 1);
  await page.calm();
  await page.context().close();
});

test("on a phone the strip says who is on the roster and stays in two rows, in both languages", async () => {
  const units = [{ id: "unit-1", name: "值班室", level: "community", shifts: [{ people: ["s1", "s2", "v1"], days: ALL, from: "08:00", to: "08:00" }] }];
  const { version } = await roster();
  const put = await fetch(`${house.base}/api/v1/duty?org=${encodeURIComponent(ORG)}`, { method: "PUT", body: JSON.stringify({ units }),
    headers: { authorization: `Bearer ${house.token}`, "content-type": "application/json", "if-match": `"${version}"` } });
  assert.equal(put.status, 200);
  for (const language of ["zh-CN", "en"]) {
    const page = await open(house, "#/alerts", { width: 390, height: 844, touch: true, language });
    await page.locator(".on-duty", { hasText: "陈值班" }).waitFor();
    const tops = await page.evaluate(() => [".brand", ".menu"].map((name) => document.querySelector(name).getBoundingClientRect().top));
    assert.ok(Math.abs(tops[0] - tops[1]) < 20, `the menu beside the name: ${tops}`);
    // Nor does a lost connection, which is said at more length, push the menu away.
    const lost = await page.evaluate(async () => {
      const { t } = await import("./i18n.js");
      const link = document.querySelector(".link");
      link.dataset.state = "lost";
      link.textContent = t("link.lost", { span: t("span.seconds", { n: 59 }) });
      return [".brand", ".menu"].map((name) => document.querySelector(name).getBoundingClientRect().top);
    });
    assert.ok(Math.abs(lost[0] - lost[1]) < 20, `the menu beside the bell: ${lost}`);
    await page.calm();
    await page.context().close();
  }
});
