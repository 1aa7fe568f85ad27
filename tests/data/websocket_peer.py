"""WebSocket by Python's `websockets`, for tests/it/websocket/peers.rs.

    websocket_peer.py serve            an echo; prints its port
    websocket_peer.py connect URL      talks to an echo; prints what it has found
"""

import asyncio
import sys

from websockets.asyncio.client import connect
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed


async def run_server():
    async def echo(ws):
        async for message in ws:
            if message == "close":
                await ws.close(4002, "as asked")
            else:
                await ws.send(message)

    options = {"compression": "deflate", "max_size": 1 << 24, "subprotocols": ["b", "a"]}
    async with serve(echo, "127.0.0.1", 0, **options) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()


async def run_client(url):
    for compression in ("deflate", None):
        options = {"compression": compression, "max_size": 1 << 24, "subprotocols": ["a"]}
        async with connect(url, **options) as ws:
            extensions = [extension.name for extension in ws.protocol.extensions]
            print("extensions", extensions, "subprotocol", ws.subprotocol)
            for size in (0, 1, 125, 126, 1000, 65535, 65536, 1 << 20):
                text = ("beiße κόσμε 🎈 " * (size // 10 + 1))[:size]
                await ws.send(text)
                assert await ws.recv() == text, size
                data = bytes(n % 251 for n in range(size))
                await ws.send(data)
                assert await ws.recv() == data, size

            # In fragments, which it makes of what comes bit by bit.
            await ws.send(iter(["frag", "men", "ted"]))
            assert await ws.recv() == "fragmented"
            await asyncio.wait_for(await ws.ping(b"ping"), 5)
            await ws.close(4001, "enough")
            print("closed", ws.close_code, ws.close_reason)
    async with connect(url) as ws:
        try:
            await ws.send("close")
            await ws.recv()
        except ConnectionClosed as closed:
            print("server closed", closed.rcvd.code, closed.rcvd.reason)


match sys.argv[1]:
    case "serve":
        asyncio.run(run_server())
    case "connect":
        asyncio.run(run_client(sys.argv[2]))
