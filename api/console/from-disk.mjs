// The pages from the disk in front of a running server, so that whoever edits one need not build:
//   node api/console/from-disk.mjs 8081 127.0.0.1:8080
// The tests do the same when CONSOLE_FROM_DISK is set.
import { createServer, request } from "node:http";
import { fileURLToPath } from "node:url";
import { files, kindOf } from "./pack.mjs";

/** For files that the server behind does not have yet. */
const POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' blob:";

/** Serves on a port (0: any); `server()` gives `HOST:PORT` of the house behind. */
export async function fromDisk(port, server) {
  // Kept connections are kept: one that times out while somebody asks again over it would look like a fault.
  const proxy = createServer({ keepAliveTimeout: 0 }, (asked, answer) => {
    const [host, at] = server().split(":");
    const path = asked.url.split("?")[0];
    // A connection of its own for each: one that was kept may be closed by the server in the same moment.
    const forward = request({ agent: false, host, port: at, path: asked.url, method: asked.method, headers: asked.headers }, (said) => {
      const name = path.startsWith("/console/") ? path.slice("/console/".length) || "index.html" : null;
      const file = name && files().get(name);
      if (!file) {
        answer.writeHead(said.statusCode, said.headers);
        said.pipe(answer);
        said.on("close", () => { if (!said.complete) answer.destroy(); });
        return;
      }
      said.resume();
      // The policy is the server's own: what it forbids is forbidden here, too.
      answer.writeHead(200, { "content-type": kindOf(name), "cache-control": "no-store", "content-security-policy": said.headers["content-security-policy"] ?? POLICY });
      answer.end(file);
    });
    forward.on("error", () => answer.destroy());
    answer.on("close", () => forward.destroy());
    asked.pipe(forward);
  });
  await new Promise((resolve) => proxy.listen(port, "127.0.0.1", resolve));
  return { address: `127.0.0.1:${proxy.address().port}`, end: () => { proxy.close(); proxy.closeAllConnections(); } };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { address } = await fromDisk(Number(process.argv[2]), () => process.argv[3]);
  console.log(`http://${address}/console/`);
}
