// Writes every file of the console into OUT_DIR, plain and gzipped, with the table that api/src/console.rs includes.
// Called by api/build.rs: node console/pack.mjs OUT_DIR
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const KINDS = {
  ".html": "text/html; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".svg": "image/svg+xml",
  ".txt": "text/plain; charset=utf-8",
  ".webmanifest": "application/manifest+json",
};

const here = dirname(fileURLToPath(import.meta.url));

/** Every file of the console: its address below /console/ and its bytes. */
export function files() {
  const found = new Map();
  const own = join(here, "src");
  for (const entry of readdirSync(own, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath ?? entry.path, entry.name);
    found.set(path.slice(own.length + 1), readFileSync(path));
  }
  const part = (path) => readFileSync(join(here, "node_modules", path));
  found.set("vendor/leaflet.js", withoutMap(part("leaflet/dist/leaflet.js")));
  found.set("vendor/leaflet.css", part("leaflet/dist/leaflet.css"));
  found.set("vendor/uplot.js", part("uplot/dist/uPlot.esm.js"));
  found.set("vendor/uplot.css", part("uplot/dist/uPlot.min.css"));
  const licences = ["leaflet", "uplot"].map((name) => `${name}\n\n${part(`${name}/LICENSE`)}\n`);
  found.set("vendor/licences.txt", Buffer.from(licences.join("\n\n")));
  return found;
}

export function kindOf(path) {
  return KINDS[extname(path)] ?? "application/octet-stream";
}

/** A browser's developer tools would ask for a map that is not here. */
function withoutMap(bytes) {
  return Buffer.from(bytes.toString("utf8").replace(/\/\/# sourceMappingURL=.*\s*$/, ""));
}

function pack(out) {
  mkdirSync(join(out, "console"), { recursive: true });
  const rows = [...files()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([path, bytes], number) => {
    const etag = createHash("sha256").update(bytes).digest("hex").slice(0, 24);
    writeFileSync(join(out, "console", `${number}.plain`), bytes);
    writeFileSync(join(out, "console", `${number}.gz`), gzipSync(bytes, { level: 9 }));
    const include = (end) => `include_bytes!(concat!(env!("OUT_DIR"), "/console/${number}.${end}"))`;
    return `    File { path: ${JSON.stringify(path)}, kind: ${JSON.stringify(kindOf(path))}, ` +
      `etag: "\\"${etag}\\"", plain: ${include("plain")}, gzipped: ${include("gz")} },\n`;
  });
  writeFileSync(join(out, "console.rs"), `const FILES: &[File] = &[\n${rows.join("")}];\n`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) pack(process.argv[2]);
