// A real server for the pages to talk to, phones that do as they are told, and a browser that notices every fault.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { createServer } from "node:http";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";
import { fromDisk } from "../from-disk.mjs";

const TARGET = process.env.CARGO_TARGET_DIR ?? new URL("../../../target", import.meta.url).pathname;
export const BINARY = process.env.YINLING_BIN ?? `${TARGET}/debug/yinling`;
const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";
/** How long anything may take here: the machine is shared. */
export const PATIENCE_MS = Number(process.env.CONSOLE_PATIENCE_MS ?? 120_000);
const READY_MS = 180_000;

/** Resolves to what `look` gives once it is true; fails with `what` after a while. */
export async function eventually(what, look) {
  const until = Date.now() + PATIENCE_MS;
  for (;;) {
    const found = await look();
    if (found) return found;
    assert.ok(Date.now() < until, `not within ${PATIENCE_MS} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** A phone box as an operator would have it: takes every message, and answers when a test says so. */
export class Phones {
  static async start() {
    const phones = new Phones();
    phones.taken = [];
    phones.server = createServer((request, response) => {
      let body = "";
      request.on("data", (part) => { body += part; });
      request.on("end", () => { phones.taken.push(JSON.parse(body)); response.writeHead(200).end("{}"); });
    });
    await new Promise((resolve) => phones.server.listen(0, "127.0.0.1", resolve));
    phones.url = `http://127.0.0.1:${phones.server.address().port}/`;
    phones.secret = `whsec_${Buffer.from("for tests only, 24 bytes").toString("base64")}`;
    return phones;
  }

  /** The newest call to a person. */
  call(person) {
    return this.taken.findLast((one) => one.channel === "voice" && one.person === person);
  }

  /** What a person's phone says about its newest call. */
  async say(person, outcome, key) {
    const call = await eventually(`a call to ${person}`, () => this.call(person));
    const body = JSON.stringify({ attempt: call.attempt, outcome, ...(key ? { key } : {}) });
    const answer = await fetch(call.callback, { method: "POST", headers: { "content-type": "application/json" }, body });
    assert.ok(answer.ok, `callback: ${answer.status}`);
  }

  end() {
    this.server.close();
    this.server.closeAllConnections();
  }
}

export const ORG = "/luyang/xinghua/yinxing/";

/** A small community; everybody is invented. */
export const REGISTRY = {
  orgs: [{ path: "/luyang/", name: "庐阳区" }, { path: "/luyang/xinghua/", name: "杏花街道" },
    { path: ORG, name: "银杏社区", desk: { phone: "+8613800000010", people: ["s1"] } }],
  people: [
    { id: "g1", role: "guardian", name: "王芳", phone: "+8613800000001" }, { id: "g2", role: "guardian", name: "王强", phone: "+8613800000002" },
    { id: "d1", role: "doctor", name: "于医生", phone: "+8613800000009" }, { id: "s1", role: "desk", name: "陈值班", phone: "+8613800000011" },
    { id: "s2", role: "grid_worker", name: "刘网格", phone: "+8613800000012" }, { id: "v1", role: "volunteer", name: "何志愿", phone: "+8613800000013" },
  ],
  wearers: [1, 2, 3, 4].map((n) => ({
    id: `w${n}`, name: ["王桂兰", "陈德福", "刘秀英", "赵永福"][n - 1], org: ORG, birth_year: 1940 + n, guardians: ["g1", "g2"], doctor: "d1",
    // The last one has none: hers is drawn by a test.
    fences: n === 4 ? [] : [{ id: "home", datum: "wgs84", margin_m: 30, circle: { lon: 117.2272 + n / 500, lat: 31.8206, radius_m: 300 } }],
    thresholds: { blood_pressure: { repeat_within_s: 1 } }, plan: { next_after_s: 15, ring_s: 30, gap_s: 60, cycles: 5, lease_s: 600, fall_window_s: 5 },
  })),
  devices: [1, 2, 3, 4].map((n) => ({ id: `86000000000000${n}`, kind: "bracelet", wearer: `w${n}`, secret: `secret-${n}`, datum: "wgs84" })),
};

/** A served house with its phones and its administrator's token. */
export class House {
  static async start({ config = "" } = {}) {
    const house = new House();
    house.phones = await Phones.start();
    house.dir = mkdtempSync(join(tmpdir(), "yinling-console-"));
    house.data = join(house.dir, "data");
    const channel = (name) => `[channels.${name}]\nkind = "gateway"\nurl = "${house.phones.url}"\nsecret = "${house.phones.secret}"\n`;
    house.config = join(house.dir, "yinling.toml");
    writeFileSync(house.config, config + ["sms", "voice", "push"].map(channel).join(""));
    const init = spawnSync(BINARY, ["init", "--data", house.data], { encoding: "utf8" });
    assert.equal(init.status, 0, init.stderr);
    house.token = init.stdout.trim().split("\n").at(-1).replace("token: ", "");
    await house.serve("127.0.0.1:0", "127.0.0.1:0");
    await house.api("POST", "/import", REGISTRY);
    return house;
  }

  /** Serves; the addresses stay the same after a restart, so that an open page finds the house again. */
  async serve(http = this.http, mqtt = this.mqtt, env = {}) {
    this.child = spawn(BINARY, ["serve", "--data", this.data, "--config", this.config, "--http", http, "--mqtt", mqtt], { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, ...env } });
    this.log = "";
    this.child.stderr.on("data", (part) => { this.log += part; });
    const ready = await new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`not ready: ${this.log}`)), READY_MS);
      createInterface({ input: this.child.stdout }).on("line", (line) => {
        if (line.startsWith("ready ")) { clearTimeout(timer); resolve(line); }
      });
      this.child.once("exit", (code) => { clearTimeout(timer); reject(new Error(`ended with ${code}: ${this.log}`)); });
    });
    [, this.http, this.mqtt] = /http=(\S+) mqtt=(\S+)/.exec(ready);
    if (process.env.CONSOLE_FROM_DISK) this.disk ??= await fromDisk(0, () => this.http);
    this.base = `http://${this.disk?.address ?? this.http}`;
  }

  /** Goes on some hours later, by Debian's libfaketime: the server believes it, the machine does not. */
  async serveLater(hours) {
    await this.kill();
    const library = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu"].map((place) => `${place}/faketime/libfaketimeMT.so.1`).find((file) => existsSync(file));
    assert.ok(library, "libfaketime is not there: apt-get install faketime");
    await this.serve(this.http, this.mqtt, { LD_PRELOAD: library, FAKETIME: `+${hours}h`, FAKETIME_DONT_FAKE_MONOTONIC: "1" });
  }

  /** Ends the process as a power cut would. */
  async kill() {
    const gone = new Promise((resolve) => this.child.once("exit", resolve));
    this.child.removeAllListeners("exit");
    this.child.once("exit", () => {});
    this.child.kill("SIGKILL");
    await Promise.race([gone, new Promise((resolve) => setTimeout(resolve, 500))]);
  }

  async end() {
    await this.kill();
    this.disk?.end();
    this.phones.end();
    rmSync(this.dir, { recursive: true, force: true });
  }

  async api(method, path, body, token = this.token, more = {}) {
    const response = await fetch(`${this.base}/api/v1${path}`, {
      method, headers: { authorization: `Bearer ${token}`, "content-type": "application/json", ...more }, body: body && JSON.stringify(body),
    });
    const answer = await response.json().catch(() => null);
    assert.ok(response.ok, `${method} ${path}: ${response.status} ${JSON.stringify(answer)}`);
    return answer;
  }

  /** A token of another role; a doctor's says whose it is. */
  async tokenFor(role, scope = ORG) {
    const person = { doctor: "d1", guardian: "g1" }[role];
    return (await this.api("POST", "/tokens", { label: role, role, scope, person })).token;
  }

  /** The bracelet of the n-th elder says something, over MQTT with a client that is not ours. */
  report(n, report) {
    const device = `86000000000000${n}`;
    const [host, port] = this.mqtt.split(":");
    const sent = spawnSync("mosquitto_pub", ["-h", host, "-p", port, "-V", "mqttv5", "-q", "1", "-i", device, "-u", device, "-P", `secret-${n}`,
      "-t", `yl/v1/${device}/up/json`, "-m", JSON.stringify(report)], { encoding: "utf8" });
    assert.equal(sent.status, 0, sent.stderr);
  }

  sos(n) {
    this.report(n, { type: "sos", lat: 31.8206, lon: 117.2272 + n / 500 });
  }
}

let browser = null;

export async function browse() {
  browser ??= await chromium.launch({
    executablePath: CHROMIUM,
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
  return browser;
}

export async function endBrowser() {
  await browser?.close();
}

/**
 * A page of the console, signed in with a token. It keeps what must not happen: errors, policy reports, requests to
 * anywhere else; `page.calm()` fails when there were any. `expected` are statuses that a test provokes on purpose.
 */
export async function open(house, hash = "#/alerts", { token = house.token, width = 1440, height = 900, language = "zh-CN", theme = "light", expected = [], script = true, touch = false } = {}) {
  const context = await (await browse()).newContext({ viewport: { width, height }, colorScheme: theme, hasTouch: touch, isMobile: touch, javaScriptEnabled: script, permissions: ["geolocation"], geolocation: { latitude: 31.8207, longitude: 117.2275 } });
  context.setDefaultTimeout(PATIENCE_MS);
  const page = await context.newPage();
  const faults = [];
  page.on("pageerror", (error) => faults.push(`error: ${error.stack}`));
  page.on("console", (message) => {
    const status = /status of (\d+)/.exec(message.text())?.[1];
    const isOffline = expected.includes(0) && /ERR_CONNECTION|ERR_INCOMPLETE|ERR_EMPTY|network error/i.test(message.text());
    if (message.type() === "error" && !(status && expected.includes(Number(status))) && !isOffline) faults.push(`console: ${message.text()} ${message.location().url}`);
  });
  page.on("request", (request) => {
    if (!request.url().startsWith(house.base) && !request.url().startsWith("blob:")) faults.push(`foreign request: ${request.url()}`);
  });
  await page.addInitScript(({ language, token }) => {
    localStorage.setItem("yinling.language", language);
    if (token) sessionStorage.setItem("yinling.token", token);
    window.reports = [];
    window.sounds = [];
    document.addEventListener("securitypolicyviolation", (event) => window.reports.push(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`));
    window.addEventListener("yinling-sound", (event) => window.sounds.push(event.detail));
  }, { language, token });
  page.calm = async () => {
    const reports = script ? await page.evaluate(() => window.reports ?? []) : [];
    assert.deepEqual([...faults, ...reports], []);
  };
  await page.goto(`${house.base}/console/${hash}`);
  if (script && token) await page.locator('.link[data-state="live"]').waitFor();
  return page;
}

export { assert, readFileSync };
