// WebSocket by node's `ws`, for tests/it/websocket/peers.rs.
//
//     websocket_peer.mjs MODULES serve            an echo; prints its port
//     websocket_peer.mjs MODULES connect URL      talks to an echo; prints what it has found

import { createRequire } from "node:module";
import assert from "node:assert";
import { once } from "node:events";

const [modules, what, url] = process.argv.slice(2);
const { WebSocket, WebSocketServer } = createRequire(modules + "/")("ws");

function serve() {
  const server = new WebSocketServer({
    host: "127.0.0.1",
    port: 0,
    perMessageDeflate: { threshold: 0 },
    maxPayload: 1 << 24,
    handleProtocols: (offered) => (offered.has("a") ? "a" : false),
  });
  server.on("listening", () => console.log(server.address().port));
  server.on("connection", (ws) => {
    ws.on("message", (data, isBinary) => {
      if (!isBinary && data.toString() === "close") {
        ws.close(4002, "as asked");
      } else {
        ws.send(data, { binary: isBinary });
      }
    });
  });
}

async function echo(ws, data) {
  ws.send(data);
  const [back, isBinary] = await once(ws, "message");
  assert.strictEqual(isBinary, typeof data !== "string");
  assert.ok(Buffer.from(data).equals(back), `${data.length}`);
}

async function connect() {
  const variants = [
    false,
    { threshold: 0 },
    { threshold: 0, serverNoContextTakeover: true, clientNoContextTakeover: true },
    { threshold: 0, serverMaxWindowBits: 9, clientMaxWindowBits: 10 },
    { threshold: 0, serverMaxWindowBits: 10, serverNoContextTakeover: true },
  ];
  for (const perMessageDeflate of variants) {
    const ws = new WebSocket(url, ["a"], { perMessageDeflate, maxPayload: 1 << 24 });
    await once(ws, "open");
    console.log(`extensions [${ws.extensions}] subprotocol ${ws.protocol}`);
    for (const size of [0, 1, 125, 126, 1000, 65535, 65536, 1 << 20]) {
      await echo(ws, "beiße κόσμε 🎈 ".repeat(size / 10 + 1).slice(0, size).toWellFormed());
      await echo(ws, Buffer.from({ length: size }, (_, n) => n % 251));
    }
    ws.send("frag", { fin: false });
    ws.send("mented", { fin: true });
    const [back] = await once(ws, "message");
    assert.strictEqual(back.toString(), "fragmented");
    ws.ping("ping");
    const [pong] = await once(ws, "pong");
    assert.strictEqual(pong.toString(), "ping");
    ws.close(4001, "enough");
    const [code, reason] = await once(ws, "close");
    console.log(`closed ${code} ${reason}`);
  }
  const ws = new WebSocket(url);
  await once(ws, "open");
  ws.send("close");
  const [code, reason] = await once(ws, "close");
  console.log(`server closed ${code} ${reason}`);
}

await { serve, connect }[what]();
