// What is only looked at: the four-colour map, the wall, the handover, the reports; and the glass, which breaks with a reason.
import { after, before, test } from "node:test";
import { House, assert, endBrowser, eventually, open } from "./house.mjs";

let house;
before(async () => {
  house = await House.start();
  house.sos(1);
  house.report(2, { type: "blood_pressure", sys: 231, dia: 121 });
  await eventually("both are raised", async () => (await house.api("GET", "/incidents")).data.length === 2);
});
after(async () => { await endBrowser(); await house?.end(); });

const legend = (page, colour) => page.locator(`.legend-${colour} b`).first();

test("the map counts who is at risk in four colours, and follows what is done about it", async () => {
  const page = await open(house, "#/map");
  const counts = async () => Promise.all(["red", "orange", "yellow", "green"].map(async (colour) => Number(await legend(page, colour).innerText())));
  await eventually("two are red", async () => (await counts()).join() === "2,0,0,2");
  await page.locator(".org-line", { hasText: "银杏社区" }).waitFor();
  const [first] = (await house.api("GET", "/incidents?state=open&wearer=w1")).data;
  await house.api("POST", `/incidents/${first.id}/actions/acknowledge`, {});
  await eventually("one is looked after", async () => (await counts()).join() === "1,1,0,2");
  await page.calm();
  await page.context().close();
});

test("a map that is open when it becomes dark outside becomes dark, too", async () => {
  const page = await open(house, "#/map");
  await page.locator(".place-label").first().waitFor();
  // Every colour that is there without a shade of transparency.
  const colours = (canvas) => page.evaluate((selector) => {
    const { width, height } = document.querySelector(selector);
    const { data } = document.querySelector(selector).getContext("2d").getImageData(0, 0, width, height);
    const found = new Set();
    for (let n = 0; n < data.length; n += 4) if (data[n + 3] === 255) found.add([data[n], data[n + 1], data[n + 2]].join());
    return [...found];
  }, canvas);
  // The tokens --graticule and --high of the stylesheet, in light and in dark.
  for (const [scheme, line, red] of [["light", "221,228,233", "179,38,30"], ["dark", "37,49,59", "255,125,114"]]) {
    await page.emulateMedia({ colorScheme: scheme });
    await eventually(`lines in ${scheme}`, async () => (await colours(".graticule")).includes(line));
    await eventually(`places in ${scheme}`, async () => (await colours("canvas.leaflet-zoom-animated")).includes(red));
  }
  await page.calm();
  await page.context().close();
});

test("the wall says who waits first, who is called, since when; the handover and the reports say the same", async () => {
  const page = await open(house, "#/wall", { width: 1920, height: 1080 });
  const rows = page.locator(".wall-row");
  await eventually("two rows", async () => await rows.count() === 2);
  await rows.first().getByText("陈德福").waitFor();
  await rows.first().getByText(/正在拨打|电话/).waitFor();
  await rows.last().getByText(/正在前往/).waitFor();
  // On a screen of 55 inches a pixel is 0.63 mm: from two metres a name is seen under 40 minutes of arc, the smallest word under 26.
  const sizeOf = (what) => page.evaluate((selector) => Math.min(...[...document.querySelectorAll(selector)].map((one) => parseFloat(getComputedStyle(one).fontSize))), what);
  assert.ok(await sizeOf(".wall-row b") >= 34, `a name of ${await sizeOf(".wall-row b")} px`);
  const words = ".wall-row, .wall-row *:not(svg, svg *), .wall-head *:not(svg, svg *), .figure *, .wall-right .place-label";
  assert.ok(await sizeOf(words) >= 24, `words of ${await sizeOf(words)} px are not read from two metres`);
  await page.evaluate(() => { location.hash = "#/duty"; });
  await page.getByText("未结束的报警 2").waitFor();
  for (const name of ["王桂兰", "陈德福"]) await page.locator(".card.wide").getByText(name).first().waitFor();
  await page.evaluate(() => { location.hash = "#/reports"; });
  await page.locator(".figures", { hasText: "求救与跌倒" }).waitFor();
  await page.locator(".bar-row", { hasText: "60 秒内应答" }).getByText(/^\d+ ?%|\d\/\d/).first().waitFor();
  await page.calm();
  await page.context().close();
});

test("where somebody is when nothing has happened shows for a reason, which goes on record", async () => {
  house.report(3, { type: "location", t: new Date(Date.now() - 60_000).toISOString(), lat: 31.8206, lon: 117.2332, acc: 8 });
  await eventually("the fix is there", async () => (await house.api("GET", "/wearers/w3/latest")).position);
  const page = await open(house, "#/elders/w3", { token: await house.tokenFor("desk"), expected: [403, 404] });
  await page.getByRole("button", { name: "紧急查看位置" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "紧急查看位置" }).click();
  await page.getByRole("dialog").getByRole("alert").getByText("必填").waitFor();
  await page.getByRole("dialog").getByRole("textbox").fill("体检未到，电话不通");
  await page.getByRole("dialog").getByRole("button", { name: "紧急查看位置" }).click();
  await page.getByText("31.82060, 117.23320").waitFor();
  const { data } = await house.api("GET", "/audit?wearer=w3&limit=50");
  assert.ok(data.some((one) => one.action === "glass.break" && one.purpose === "体检未到，电话不通"), JSON.stringify(data));
  await page.calm();
  await page.context().close();
});
