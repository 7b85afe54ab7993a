"""A client of WebSockets through the proxy at PORT: `talk` or `flip`, ws or wss (by AUTHORITY)."""

import asyncio
import os
import ssl
import sys

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

what, host, port, authority, count = sys.argv[1:]


def dial(**options):
    if authority:
        options["ssl"] = ssl.create_default_context(cafile=authority)
    scheme = "wss" if authority else "ws"
    at = {"host": "127.0.0.1", "port": int(port), "max_size": None, "open_timeout": 60}
    return connect(f"{scheme}://{host}/socket", **at, **options)


async def talk(compression):
    """Everything a WebSocket can carry comes back as it was."""
    async with dial(compression=compression) as socket:
        assert await socket.recv() == "release 1"
        for message in ["text ü €", "", b"", bytes(range(256)), os.urandom(1 << 20), "x" * (1 << 20)]:
            await socket.send(message)
            assert await socket.recv() == message, len(message)
        await socket.send(["frag", "ments ", "of ", "text"])
        assert await socket.recv() == "fragments of text"
        await socket.send([os.urandom(0), b"bin", b"ary" * 50_000])
        assert await socket.recv() == b"bin" + b"ary" * 50_000
        # Their boundaries stay too: the server's frames, with the empty one at the end, are as many here.
        await socket.send("fragments")
        parts = [part async for part in socket.recv_streaming()]
        assert parts == ["one ", "two ", "three", ""], parts
        await (await socket.ping(b"from the client"))
        await socket.send("ping me")
        assert await socket.recv() == "ponged"
        await socket.close(4321, "enough")
    assert socket.close_code == 4321


async def stay(socket):
    """Talks until the end; how that came."""
    try:
        number = 0
        while True:
            number += 1
            await socket.send(str(number))
            assert await socket.recv() == str(number)
            await asyncio.sleep(0.1)
    except ConnectionClosed as closed:
        return closed.rcvd.code if closed.rcvd else "cut"


async def flip():
    """All are on release 1 until it goes, are told so, and find release 2 when they come back."""
    limit = asyncio.Semaphore(50)

    async def come(release):
        async with limit:
            socket = await dial(ping_interval=None)
            assert await socket.recv() == f"release {release}"
            return socket

    sockets = await asyncio.gather(*[come(1) for _ in range(int(count))])
    staying = [asyncio.create_task(stay(socket)) for socket in sockets]
    print("open", len(sockets))
    ends = await asyncio.gather(*staying)
    again = await asyncio.gather(*[come(2) for _ in sockets])
    print("told", ends.count(1001), "others", [end for end in ends if end != 1001])
    await asyncio.gather(*[socket.close() for socket in again])


async def main():
    if what == "talk":
        await talk(None)
        await talk("deflate")
    else:
        await flip()


asyncio.run(main())
