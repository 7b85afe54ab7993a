"""Release VERSION of a server of WebSockets: says who it is, then sends back what it gets."""

import asyncio
import sys

from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

VERSION = sys.argv[1]

# For the browser: what it sees is sent to whichever release it is connected to.
PAGE = """<!doctype html><script>
const seen = []
let socket
function saw(what) {
  seen.push(what)
  if (socket?.readyState === 1) socket.send("report " + seen.join(" | "))
}
function connect() {
  socket = new WebSocket(`wss://${location.host}/socket`)
  socket.onmessage = (message) => saw(`socket ${message.data}`)
  socket.onclose = (close) => {
    saw(`closed ${close.code}`)
    setTimeout(connect, 50)
  }
}
let release
const events = new EventSource("/events/sse?n=1000000&ms=20")
events.onmessage = (event) => {
  if (event.data !== release) saw(`event ${release = event.data}`)
}
events.onerror = () => saw("event error")
saw(`page by ${performance.getEntriesByType("navigation")[0].nextHopProtocol}`)
connect()
</script>"""


def answer(connection, request):
    """What is no WebSocket: the health check, and the page."""
    if request.path == "/up":
        return connection.respond(200, "up\n")
    if request.path == "/":
        response = connection.respond(200, PAGE)
        del response.headers["Content-Type"]
        response.headers["Content-Type"] = "text/html"
        return response


async def talk(socket):
    await socket.send(f"release {VERSION}")
    try:
        async for message in socket:
            if message == "fragments":
                await socket.send(["one ", "two ", "three"])
            elif message == "ping me":
                await (await socket.ping(b"from the server"))
                await socket.send("ponged")
            elif isinstance(message, str) and message.startswith("report "):
                print(message)
            else:
                await socket.send(message)
    except ConnectionClosed:
        pass
    print("closed", socket.close_code, socket.close_reason)


async def main():
    async with serve(talk, "127.0.0.1", 0, process_request=answer, max_size=None) as server:
        host, port = server.sockets[0].getsockname()
        print(f"listening {host}:{port}")
        await server.serve_forever()


asyncio.run(main())
