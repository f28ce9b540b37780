// Whoever watches: told to the server, seen by everybody, over when their console falls silent; keys, mute and motion.
import { after, before, test } from "node:test";
import { House, ORG, assert, endBrowser, eventually, open } from "./house.mjs";

let house;
before(async () => { house = await House.start(); });
after(async () => { await endBrowser(); await house?.end(); });

const row = (page, name) => page.locator(".row", { hasText: name });
const heard = (page) => page.evaluate(() => window.sounds);
const watching = async () => (await house.api("GET", "/duty/watch")).data;
/** Flashes a second above which people with photosensitive epilepsy are at risk (WCAG 2.3.1). */
const FLASHES_MAX = 3;
const SILENCE_MS = 30_000;
/** How long a console that is watched rings before the desk's phones do. */
const CONSOLE_MS = 30_000;

test("who watches is known to the server, seen on every console, and over when the page goes", async () => {
  await house.api("POST", "/accounts", { id: "desk", password: "a long enough one", role: "desk", name: "陈值班", person: "s1", scope: ORG });
  const desk = await open(house, "", { token: null, expected: [401] });
  await desk.getByLabel("账号").fill("desk");
  await desk.getByLabel("密码").fill("a long enough one");
  await desk.getByRole("button", { name: "登录", exact: true }).click();
  await desk.locator(".on-duty", { hasText: "无人在岗" }).waitFor();
  assert.deepEqual(await watching(), []);
  await desk.getByRole("button", { name: "开始值班" }).click();
  await desk.locator(".on-duty", { hasText: "在岗：陈值班" }).waitFor();
  const [known] = await watching();
  assert.deepEqual([known.person, known.role, known.org], ["s1", "desk", ORG]);
  const other = await open(house);
  await other.locator(".on-duty", { hasText: "在岗：陈值班" }).waitFor();
  const later = await eventually("a second sign of life", async () => (await watching())[0]?.until > known.until && (await watching())[0]);
  assert.equal(later.since, known.since, "one watch without a gap");
  await desk.reload();
  await desk.locator(".on-duty", { hasText: "无人在岗" }).waitFor();
  await eventually("a page that is loaded anew is silent until somebody presses", async () => (await watching()).length === 0);
  await desk.getByRole("button", { name: "开始值班" }).click();
  await desk.locator(".on-duty", { hasText: "在岗" }).waitFor();
  await desk.locator(".menu summary").click();
  await desk.getByRole("button", { name: "结束值班" }).click();
  await desk.locator(".on-duty", { hasText: "无人在岗" }).waitFor();
  assert.deepEqual(await watching(), []);
  for (const page of [desk, other]) { await page.calm(); await page.context().close(); }
});

test("where somebody watches, the console rings before the desk's phones do; else they ring at once", async () => {
  // Nobody cares for her: it is the desk's at once.
  const alone = { id: "w9", name: "孙奶奶", org: ORG, guardians: [] };
  await house.api("POST", "/import", { wearers: [alone], devices: [{ id: "860000000000009", kind: "bracelet", wearer: "w9", secret: "secret-9" }] });
  const incident = async () => (await house.api("GET", "/incidents?wearer=w9")).data.sort((a, b) => b.raised_at.localeCompare(a.raised_at))[0];
  /** How long after the alarm the desk's phones rang, in milliseconds: what was decided, however slow this machine is. */
  const desksCalls = async () => {
    const { id, raised_at } = await incident();
    const { data } = await house.api("GET", `/incidents/${id}/attempts`);
    return data.filter((one) => one.channel === "voice" && one.callee.role === "desk").map((one) => Date.parse(one.created_at) - Date.parse(raised_at));
  };
  const page = await open(house);
  await page.getByRole("button", { name: "开始值班" }).click();
  await eventually("watching", async () => (await watching()).length === 1);
  house.report(9, { type: "sos" });
  await row(page, "孙奶奶").waitFor();
  await eventually("the console rings", async () => (await heard(page)).includes("high"));
  await eventually("the desk is written to", () => house.phones.taken.some((one) => one.channel === "sms" && one.person === "desk"));
  await row(page, "孙奶奶").getByRole("button").click();
  await page.locator(".timeline").getByText(/值班控制台先响铃 30 秒；到 \d\d:\d\d:\d\d 无人受理再拨打值班电话/).waitFor();
  await page.getByRole("button", { name: "受理", exact: true }).click();
  await page.locator(".now", { hasText: "正在前往" }).waitFor();
  await page.getByRole("button", { name: "结案" }).first().click();
  await page.getByRole("dialog").getByLabel("备注（必填）").fill("误按");
  await page.getByRole("dialog").getByRole("button", { name: "结案" }).click();
  await page.getByText("此刻没有人需要帮助").waitFor();
  const calls = await desksCalls();
  assert.ok(calls.every((after) => after >= CONSOLE_MS), `whoever watches has it first: ${calls}`);
  await page.locator(".menu summary").click();
  await page.getByRole("button", { name: "结束值班" }).click();
  await eventually("nobody watches", async () => (await watching()).length === 0);
  house.report(9, { type: "sos" });
  await eventually("it is open", async () => (await incident()).state === "exhausted");
  assert.equal((await desksCalls())[0], 0, "decided in the same breath");
  assert.equal((await incident()).console_until, null, "nothing holds the call back");
  await eventually("the desk's phone rings", () => house.phones.taken.some((one) => one.channel === "voice" && one.person === "desk"));
  await page.calm();
  await page.context().close();
});

test("a server that says nothing for 30 s is a lost connection, seen and heard, and a mute does not hide it", async () => {
  const page = await open(house, "#/alerts", { expected: [0] });
  await page.getByRole("button", { name: "开始值班" }).click();
  await page.keyboard.press("m");
  await page.getByRole("button", { name: /已静音/ }).waitFor();
  house.child.kill("SIGSTOP");
  const since = Date.now();
  try {
    await page.getByRole("alert").getByText("连接已中断").waitFor();
    assert.ok(Date.now() - since > SILENCE_MS / 4, "not at the first breath");
    await eventually("the loss is heard", async () => (await heard(page)).includes("lost"));
  } finally {
    house.child.kill("SIGCONT");
  }
  await page.locator('.link[data-state="live"]').waitFor();
  await page.calm();
  await page.context().close();
});

test("what is pressed while the server is silent is not shown as done, and is done once when it speaks again", async () => {
  house.sos(4);
  const page = await open(house, "#/alerts", { expected: [0] });
  await row(page, "赵永福").getByRole("button").click();
  await page.locator(".detail h2", { hasText: "赵永福" }).waitFor();
  house.child.kill("SIGSTOP");
  try {
    await page.getByRole("button", { name: "受理", exact: true }).click();
    await page.locator(".toast.bad", { hasText: "操作尚未生效" }).waitFor();
    assert.equal(await page.locator(".now", { hasText: "正在前往" }).count(), 0, "nothing is shown that is not committed");
  } finally {
    house.child.kill("SIGCONT");
  }
  await page.locator(".now", { hasText: "正在前往" }).waitFor();
  const [incident] = (await house.api("GET", "/incidents?state=open&wearer=w4")).data;
  const { data } = await house.api("GET", "/events?types=incident.acknowledged&limit=500");
  assert.equal(data.filter((one) => one.data.id === incident.id).length, 1, "taken once");
  await page.calm();
  await page.context().close();
});

test("a mute is this console's, ends by itself after 60 to 120 s, can be taken back, and gives way to a new emergency", async () => {
  const page = await open(house);
  await page.getByRole("button", { name: "开始值班" }).click();
  await page.getByRole("button", { name: "静音" }).click();
  const left = Number(/(\d+) (秒|分钟)/.exec(await page.locator(".duty-button").innerText())?.[1]);
  assert.ok(left === 1 || (left >= 60 && left <= 120), `muted for ${left}`);
  await page.locator(".toast", { hasText: "本机静音" }).getByRole("button", { name: "撤销" }).click();
  await page.getByRole("button", { name: "静音", exact: true }).waitFor();
  await page.keyboard.press("m");
  await page.getByRole("button", { name: /已静音/ }).waitFor();
  await page.evaluate(() => { window.sounds.length = 0; });
  house.sos(2);
  await row(page, "陈德福").waitFor();
  await eventually("it is heard all the same", async () => (await heard(page)).includes("high"));
  await page.getByRole("button", { name: "静音", exact: true }).waitFor();
  await page.calm();
  await page.context().close();
});

test("every key does what the list says, none does while they are off, and none while somebody writes", async () => {
  house.sos(1);
  const page = await open(house);
  await row(page, "王桂兰").waitFor();
  await row(page, "陈德福").waitFor();
  const chosen = () => page.locator(".row.selected b").innerText();
  await page.keyboard.press("Enter");
  await page.locator(".detail h2").waitFor();
  const first = await chosen();
  await page.keyboard.press("j");
  await eventually("the next", async () => await chosen() !== first);
  await page.keyboard.press("k");
  await eventually("the one before", async () => await chosen() === first);
  for (let press = 0; await chosen() !== "王桂兰"; press += 1) {
    assert.ok(press < 10, "she is in the list");
    const before = await chosen();
    await page.keyboard.press("j");
    await eventually("the next", async () => await chosen() !== before);
  }
  await page.keyboard.press("e");
  await page.getByRole("dialog").getByText("值班台").first().waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  await page.keyboard.press("a");
  await page.locator(".now", { hasText: "正在前往" }).waitFor();
  await page.keyboard.press("d");
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("备注（必填）").fill("djk");
  await dialog.getByRole("button", { name: "结案" }).click();
  await page.locator(".now", { hasText: "已提供帮助" }).waitFor();
  await page.locator(".menu summary").click();
  await page.getByLabel("快捷键").selectOption("off");
  await page.locator(".menu summary").click();
  await page.keyboard.press("?");
  await page.keyboard.press("j");
  assert.equal(await page.getByRole("dialog").count(), 0);
  await page.locator(".menu summary").click();
  await page.getByLabel("快捷键").selectOption("on");
  await page.locator(".menu summary").click();
  await page.keyboard.press("?");
  await page.getByRole("dialog").getByText("快捷键").waitFor();
  await page.calm();
  await page.context().close();
});

test("device time and received time are both shown when they are more than a minute apart", async () => {
  const page = await open(house);
  const minutesAgo = (n) => new Date(Date.now() - n * 60_000).toISOString();
  house.report(3, { type: "sos", id: "late", t: minutesAgo(7) });
  await row(page, "刘秀英").getByRole("button").click();
  await page.locator(".detail-head", { hasText: "刘秀英" }).getByText(/测得.*收到/).waitFor();
  await page.calm();
  await page.context().close();
});

test("nothing flashes more than three times a second, and nothing moves where that is not wanted", async () => {
  const page = await open(house, "#/alerts", { expected: [0] });
  const flashes = () => page.evaluate(() => document.getAnimations({ subtree: true }).map((one) => {
    const { duration, iterations } = one.effect.getComputedTiming();
    return { name: one.animationName, hertz: 1000 / duration, iterations };
  }));
  await house.kill();
  await page.locator('.link[data-state="lost"]').waitFor();
  const moving = await eventually("the loss blinks", async () => (await flashes()).find((one) => one.name === "blink"));
  assert.ok(moving.hertz <= FLASHES_MAX, `${moving.hertz} a second`);
  await page.emulateMedia({ reducedMotion: "reduce" });
  await eventually("still", async () => (await flashes()).length === 0);
  const sheet = await page.evaluate(async () => (await (await fetch("/console/console.css").catch(() => null))?.text()) ?? "");
  assert.ok(!/animation[^;]*\b(0?\.[0-2]\d*s|[0-2]?\d{1,2}ms)/.test(sheet), "no quicker animation anywhere");
  await house.serve();
  await page.locator('.link[data-state="live"]').waitFor();
  await page.calm();
  await page.context().close();
});
