#!/usr/bin/env python3
"""Instructions per request of shunt-proxy, on a kept-alive connection or a new one, counted by callgrind.

CPU time needs a quiet machine and many rounds; this count hardly depends on what else runs, so a
change of a few hundred instructions shows in half a minute. System calls count as their entry alone.
Requests come in waves over a few connections, as they do under load: one wake serves several.

    python3 bench/instructions.py              the figure for a plain request, for a browser's, and for
                                               a plain one with the connection it comes on
    python3 bench/instructions.py --top 25     also the functions that cost most, per request
"""

import argparse
import collections
import os
import pathlib
import re
import socket
import subprocess
import sys

import peers
from parts import Parts, need

HEADS = {
    "plain": "",
    "browser": (
        "Connection: keep-alive\r\n"
        "Cache-Control: max-age=0\r\n"
        "Upgrade-Insecure-Requests: 1\r\n"
        "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n"
        "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n"
        "Sec-Fetch-Site: none\r\n"
        "Sec-Fetch-Mode: navigate\r\n"
        "Referer: http://www.example.com/\r\n"
        "Accept-Encoding: gzip, deflate, br, zstd\r\n"
        "Accept-Language: en-US,en;q=0.5\r\n"
        "Cookie: session=0123456789abcdef0123456789abcdef; theme=dark\r\n"
    ),
    "new": "Connection: close\r\n",
}


def main():
    args = arguments()
    with Parts() as parts:
        counted = Counted(parts, pathlib.Path(args.proxy).resolve(), args.log)
        load = Load(counted.port, args.connections)
        for name, head in HEADS.items():
            if args.only in name:
                load.run(head, args.requests // 2)
                count, dump = counted.count(lambda: load.run(head, args.requests), args.requests)
                print(f"{name}: {count:,.0f} instructions per request")
                if args.top:
                    top(dump, args.requests, args.top)
                if args.dump:
                    pathlib.Path(f"{args.dump}.{name}").write_bytes(dump.read_bytes())


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--proxy", default="target/release/shunt-proxy", help="the program to test")
    parser.add_argument("--only", default="", help="heads whose name contains this")
    parser.add_argument("--requests", type=int, default=4000, help="requests counted")
    parser.add_argument("--connections", type=int, default=16, help="kept-alive connections")
    parser.add_argument("--top", type=int, default=0, help="show this many functions")
    parser.add_argument("--log", action="store_true", help="with the access log on, its thread included")
    parser.add_argument("--dump", help="keep callgrind's files, with this as the first part of their names")
    return parser.parse_args()


class Counted:
    """The backend, and shunt-proxy with one data thread under callgrind."""

    def __init__(self, parts, proxy, log):
        self.dir, self.port = parts.dir, parts.port()
        store = self.dir / "store"
        target = f"127.0.0.1:{peers.backend(parts)}"
        peers.put(store, "web", target, hosts=["*"], health={"path": "/1k"})
        section = f'directory = "{store}"'
        more = peers.LOG.format(self.dir / "access.log") if log else ""
        config = peers.shunt_config(parts, "counted", self.port, section, threads=1, more=more)
        out = f"--callgrind-out-file={self.dir}/callgrind"
        callgrind = ("--tool=callgrind", "--instr-atstart=no", out)
        self.process = parts.start(
            "counted", need("valgrind", "Debian has it under that name"), *callgrind, proxy, "run", "--config", config
        )
        parts.answers("counted", self.port)

    def count(self, work, requests):
        self._control("--instr=on")
        # Code is translated anew, and the first counts are of that.
        work()
        self._control("--zero")
        work()
        self._control("--dump")
        self._control("--instr=off")
        dump = max(self.dir.glob("callgrind.*"), key=lambda path: path.stat().st_mtime_ns)
        total = int(re.search(r"^(?:totals|summary): (\d+)", dump.read_text(), re.M)[1])
        return total / requests, dump

    def _control(self, order):
        command = ["callgrind_control", order, str(self.process.pid)]
        # Where it looks for the pipes of valgrind, which are in the directory for temporary files.
        where = {**os.environ, "TMPDIR": str(self.dir)}
        subprocess.run(command, check=True, capture_output=True, timeout=60, env=where)


class Load:
    """Connections that ask together and wait for each other: kept alive, or new where the head says so."""

    def __init__(self, port, connections):
        self.address, self.connections = ("127.0.0.1", port), connections
        self.kept = self.connect()

    def connect(self):
        return [socket.create_connection(self.address, 60) for _ in range(self.connections)]

    def run(self, head, requests):
        host = f"127.0.0.1:{self.address[1]}"
        request = f"GET /1k HTTP/1.1\r\nHost: {host}\r\n{head}\r\n".encode()
        while requests > 0:
            wave = self.connect() if head == HEADS["new"] else self.kept[:requests]
            for connection in wave:
                connection.sendall(request)
            for connection in wave:
                receive(connection)
            requests -= len(wave)


def receive(connection):
    answer = b""
    while b"\r\n\r\n" not in answer or len(answer.partition(b"\r\n\r\n")[2]) < peers.SIZES["1k"]:
        piece = connection.recv(65536)
        if not piece or not answer and not piece.startswith(b"HTTP/1.1 200 "):
            sys.exit(f"no answer: {answer + piece!r}")
        answer += piece


def top(dump, requests, most):
    own, whole = costs(dump.read_text())
    for kind, of in (("self", own), ("with all it calls", whole)):
        print(f"  {kind}:")
        for name in sorted(of, key=of.get, reverse=True)[:most]:
            print(f"{of[name] / requests:12,.0f}  {name[:150]}")


def costs(dump):
    """Instructions by function, without and with those of the functions it calls.

    The format is in the manual of callgrind: a name is written out once, and a number stands for it
    from then on. The line after `calls=` is what the call cost."""
    own, whole, names = collections.Counter(), collections.Counter(), {}
    function, called = None, None
    for line in dump.splitlines():
        if named := re.match(r"(c?)fn=\((\d+)\)(?: (.*))?$", line):
            name = names.setdefault(named[2], named[3])
            if not named[1]:
                function = name
            else:
                callee = name
        elif line.startswith("calls="):
            called = callee
        elif re.match(r"[+\-*\d]", line):
            cost = int(line.split()[1])
            if called is None:
                own[function] += cost
            # What a function costs that calls itself is counted once, at the outermost call.
            if called is None or plain(called) != plain(function):
                whole[function] += cost
            called = None
    return own, whole


def plain(name):
    return name.partition("'")[0]


if __name__ == "__main__":
    main()
