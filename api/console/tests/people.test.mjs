// What the others do: a volunteer takes a case.
import { after, before, test } from "node:test";
import { House, endBrowser, eventually, open } from "./house.mjs";

let house;
before(async () => { house = await House.start(); });
after(async () => { await endBrowser(); await house?.end(); });

test("a volunteer takes a case on a phone, and somebody else does not get it any more", async () => {
  house.sos(2);
  await eventually("a case", async () => (await house.api("GET", "/cases?state=open")).data.length === 1);
  const first = await open(house, "#/field", { token: await house.tokenFor("volunteer"), width: 390, height: 844, expected: [403, 404] });
  await first.locator(".field-card", { hasText: "陈德福" }).click();
  await first.getByRole("button", { name: "接单" }).click();
  await first.locator(".toast", { hasText: "已接单" }).waitFor();
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
