// The operator's map tiles come by way of the server: the page asks nobody else, and the provider sees only the server.
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import { House, assert, endBrowser, eventually, open } from "./house.mjs";

const PNG = Buffer.from("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==", "base64");

let house;
let provider;
const asked = [];
before(async () => {
  provider = createServer((request, response) => {
    asked.push({ url: request.url, headers: request.headers });
    response.writeHead(200, { "content-type": "image/png" }).end(PNG);
  });
  await new Promise((resolve) => provider.listen(0, "127.0.0.1", resolve));
  const tiles = `[http]\ntiles_url = "http://127.0.0.1:${provider.address().port}/{z}/{x}/{y}.png?tk=secret-of-the-operator"\ntiles_attribution = "天地图 GS(2026)"\n`;
  house = await House.start({ config: tiles });
});
after(async () => { await endBrowser(); await house?.end(); provider.closeAllConnections(); provider.close(); });

test("the map shows the operator's tiles, asked for by the server and kept", async () => {
  house.sos(1);
  const page = await open(house, "#/alerts");
  await page.locator(".row").first().click();
  await eventually("tiles are shown", () => page.evaluate(() => document.querySelectorAll("img.leaflet-tile-loaded").length > 3));
  await page.getByText("天地图 GS(2026)").waitFor();
  assert.ok(asked.length > 3 && asked.every(({ url }) => /^\/\d+\/\d+\/\d+\.png\?tk=secret-of-the-operator$/.test(url)), JSON.stringify(asked[0]));
  assert.ok(asked.every(({ headers }) => !headers.referer && !headers.cookie && !headers.authorization), "the provider learns nothing of who looks");
  const before = new Set(asked.map(({ url }) => url)).size;
  assert.equal(asked.length, before, "no tile is asked for twice");
  await page.reload();
  await eventually("tiles are shown again", () => page.evaluate(() => document.querySelectorAll("img.leaflet-tile-loaded").length > 3));
  assert.equal(asked.length, new Set(asked.map(({ url }) => url)).size, "they are kept");
  const anybody = await fetch(`${house.base}/api/v1/tiles/3/6/3`);
  assert.equal(anybody.status, 401, "not for everybody: the key is the operator's");
  assert.ok(!(await (await fetch(`${house.base}/api/v1/console`)).text()).includes("secret"), "the key stays with the server");
  await page.calm();
  await page.context().close();
});
