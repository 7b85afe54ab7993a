#!/usr/bin/env python3
"""Memory of connections that wait for their next request: shunt-proxy and its peers, side by side.

Each peer is started anew, gets many connections and one request on each, and then nothing. What its
processes hold then, beyond what they held when there were a quarter of them, is divided by the number of
the others. It is memory of the programs' own; what the kernel keeps for a socket is the same for all and
not counted.

    python3 bench/idle.py                       9,000 connections of each kind, or as many as descriptors
                                                last for: shunt lets clients have a third
    python3 bench/idle.py --only tls            kinds whose name contains "tls"
"""

import argparse
import json
import pathlib
import re
import resource
import socket
import ssl
import struct
import sys
import time

import measure
import parts
import peers

# As many from one source address as its ports last for.
EACH = 20_000
# As long as it takes to let go of what is not needed, a tick of mimalloc's included.
PATIENCE = 15
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS, HEADERS, END = 4, 1, 0x1


def main():
    args = arguments()
    results = {}
    for name, (about, port, connect) in KINDS.items():
        if args.only not in name:
            continue
        results[name] = {}
        for peer in args.peers.split(","):
            print(f"{name}: {peer}", file=sys.stderr)
            with parts.Parts() as scratch:
                field = peers.Field(scratch, args.programs, args.proxy, peer)
                if field.peers:
                    figures = held(field.peers[0], port, connect, args.connections)
                    results[name][peer] = figures
    if not any(results.values()):
        sys.exit(f"no kind has `{args.only}` in its name: {', '.join(KINDS)}")
    table(results)
    if args.json:
        args.json.write_text(json.dumps(results, indent=2) + "\n")


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    path = pathlib.Path
    parser.add_argument("--proxy", type=path, help="the program to test, if not that of --programs")
    parser.add_argument("--programs", type=path, default=path("target/release"), help="where they are")
    parser.add_argument("--peers", default="nginx,haproxy,shunt", help="who is measured")
    parser.add_argument("--only", default="", help="kinds whose name contains this")
    parser.add_argument("--connections", type=int, default=most(), help="connections held")
    parser.add_argument("--json", type=path, help="also write the figures to this file")
    return parser.parse_args()


def most():
    return min(9000, resource.getrlimit(resource.RLIMIT_NOFILE)[1] * 3 // 10)


def held(peer, port, connect, connections):
    """Bytes that each of so many idle connections costs."""
    port = getattr(peer, port)
    # What is made once, for the first connections, belongs to none of them; and what allocators keep of
    # what was let go of does not depend on how many there are.
    few = connections // 4
    sockets = [connect(port, n) for n in range(few)]
    before = least(peer)
    sockets += [connect(port, n) for n in range(few, connections)]
    after = least(peer)
    for held in sockets:
        held.close()
    return {"connections": connections, "bytes": (after - before) / (connections - few)}


def least(peer):
    """The least memory that its processes are seen with, until it has not become less for a while."""
    seen, since = own_memory(peer.pid), time.monotonic()
    while time.monotonic() - since < PATIENCE / 3:
        time.sleep(0.2)
        now = own_memory(peer.pid)
        if now < seen:
            seen, since = now, time.monotonic()
    return seen


def own_memory(pid):
    """Resident memory of a process and all its children that stands for no file."""
    status = (pathlib.Path(f"/proc/{process}/status").read_text() for process in measure.tree(pid))
    return sum(int(re.search(r"RssAnon:\s+(\d+) kB", text)[1]) for text in status) * 1024


def plain(port, n):
    connection = socket.socket()
    connection.bind((f"127.0.1.{1 + n // EACH}", 0))
    connection.settimeout(60)
    connection.connect(("127.0.0.1", port))
    return ask(connection, port)


def over_tls(port, n):
    return ask(secured(port, n, "http/1.1"), port)


def secured(port, n, protocol):
    context = CONTEXTS.get(protocol)
    if not context:
        context = CONTEXTS[protocol] = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_alpn_protocols([protocol])
    connection = socket.socket()
    connection.bind((f"127.0.1.{1 + n // EACH}", 0))
    connection.settimeout(60)
    connection.connect(("127.0.0.1", port))
    return context.wrap_socket(connection, server_hostname="localhost")


CONTEXTS = {}


def ask(connection, port):
    connection.sendall(f"GET /1k HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
    answer = b""
    while len(answer.partition(b"\r\n\r\n")[2]) < peers.SIZES["1k"]:
        answer += piece(connection, answer)
    return connection


def http2(port, n):
    connection = secured(port, n, "h2")
    # Indexed GET and https, and literals without indexing (RFC 7541 6).
    block = b"\x82\x87" + b"".join(
        bytes([name, len(text)]) + text for name, text in ((4, b"/1k"), (1, b"localhost"))
    )
    connection.sendall(PREFACE + frame(SETTINGS, 0, 0, b"") + frame(HEADERS, 5, 1, block))
    answer = b""
    while True:
        while len(answer) < 9 or len(answer) < 9 + int.from_bytes(answer[:3]):
            answer += piece(connection, answer)
        length, kind, flags, stream = int.from_bytes(answer[:3]), *struct.unpack(">BBI", answer[3:9])
        answer = answer[9 + length:]
        if kind == SETTINGS and not flags & END:
            connection.sendall(frame(SETTINGS, END, 0, b""))
        if stream == 1 and flags & END:
            return connection


def frame(kind, flags, stream, payload):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def piece(connection, before):
    more = connection.recv(65536)
    if not more:
        sys.exit(f"no answer: {before!r}")
    return more


def table(results):
    print("| idle connections | " + " | ".join(next(iter(results.values()))) + " |")
    print("|---|" + "---|" * len(next(iter(results.values()))))
    for name, of in results.items():
        figures = " | ".join(f"{figures['bytes'] / 1024:.2f} KiB" for figures in of.values())
        print(f"| {KINDS[name][0]} | {figures} |")


KINDS = {
    "plain": ("HTTP/1.1", "http", plain),
    "tls": ("HTTP/1.1 over TLS 1.3", "tls", over_tls),
    "http2": ("HTTP/2 over TLS 1.3", "tls", http2),
}


if __name__ == "__main__":
    main()
