// Every string in one place per language: the keys match, the places match, and every name that the code uses is there.
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import zh from "../src/words/zh-CN.js";
import en from "../src/words/en.js";

const SRC = new URL("../src/", import.meta.url).pathname;
const sources = readdirSync(SRC, { recursive: true }).filter((name) => name.endsWith(".js") && !name.startsWith("words"))
  .map((name) => [name, readFileSync(join(SRC, name), "utf8")]);

test("both languages have the same names", () => {
  assert.deepEqual(Object.keys(en).filter((name) => !(name in zh)), [], "only in English");
  assert.deepEqual(Object.keys(zh).filter((name) => !(name in en)), [], "only in Chinese");
});

test("both languages fill the same places", () => {
  const places = (text) => [...text.matchAll(/\{(\w+)\}/g)].map(([, place]) => place).sort();
  for (const name of Object.keys(zh)) assert.deepEqual(places(en[name]), places(zh[name]), name);
});

test("no name stands twice", () => {
  for (const file of ["zh-CN", "en"]) {
    const names = [...readFileSync(join(SRC, `words/${file}.js`), "utf8").matchAll(/^ {2}"?([\w.-]+)"?: /gm)].map(([, name]) => name);
    assert.deepEqual(names.filter((name, place) => names.indexOf(name) !== place), [], file);
  }
});

test("every string that is asked for is there, and none stands unused", () => {
  const used = new Set();
  const groups = new Set();
  for (const [file, text] of sources) {
    for (const [, name] of text.matchAll(/\bt\(\s*"([\w.-]+)"/g)) {
      assert.ok(name in zh, `${file}: ${name}`);
    }
    for (const [, name] of text.matchAll(/"([\w.-]+)"/g)) if (name in zh) used.add(name);
    for (const [, name] of text.matchAll(/`([\w.-]+\.)\$\{/g)) groups.add(name);
    for (const [, name] of text.matchAll(/\bword\("([\w.-]+)"/g)) groups.add(`${name}.`);
    for (const [, name] of text.matchAll(/stateMark\([^)]*"([\w.-]+)"/g)) groups.add(`${name}.`);
  }
  groups.add("state.");
  const unused = Object.keys(zh).filter((name) => !used.has(name) && ![...groups].some((group) => name.startsWith(group)));
  assert.deepEqual(unused, []);
});
