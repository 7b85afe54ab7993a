#!/usr/bin/env python3
"""Instructions per request of shunt-proxy, on a kept-alive connection or a new one, counted by callgrind.

CPU time needs a quiet machine and many rounds; this count hardly depends on what else runs, so a
change of a few hundred instructions shows in half a minute. System calls count as their entry alone.
Requests come in waves over a few connections, as they do under load: one wake serves several.

    python3 bench/instructions.py              the figure for a plain request, for a browser's, and for
                                               a plain one with the connection it comes on; and over
                                               TLS, of HTTP/1.1 and of 16 streams of HTTP/2 at a time
    python3 bench/instructions.py --top 25     also the functions that cost most, per request
    python3 bench/instructions.py --groups     also whose code that is
"""

import argparse
import collections
import os
import pathlib
import re
import socket
import subprocess
import sys

import measure
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
# What h2load is told for a request over TLS.
SECURE = {"tls": ("--h1",), "http2": ("-m", 16)}
# Whose code a function is: the first whose pattern is found in its source file, or its name.
GROUPS = {
    "kernel (entries)": r"sysdeps/unix|syscall|epoll_wait$|__send|__recv|writev$",
    "memcpy": r"mem(cpy|move|set|cmp|chr)|bcmp",
    "allocator": r"mimalloc|mi_|malloc|alloc/src/alloc\.rs",
    "hpack": r"h2-[\d.]+/src/hpack",
    "h2": r"h2-[\d.]+/",
    "hyper": r"hyper(-util)?-[\d.]+/",
    "aws-lc": r"aws[-_]lc|aes|gcm|ghash",
    "rustls": r"(tokio-)?rustls-[\d.]+/",
    "http, httparse": r"(http|httparse|http-body(-util)?)-[\d.]+/",
    "bytes": r"/bytes-[\d.]+/",
    "tokio, mio": r"(tokio|tokio-util|mio|socket2)-[\d.]+/",
    "shunt": r"proxy/src/|config/src/",
    "std": r"library/(std|core|alloc)/|hashbrown",
}


def main():
    args = arguments()
    with Parts() as parts:
        counted = Counted(parts, pathlib.Path(args.proxy).resolve(), args.log)
        load = Load(counted.port, args.connections)
        for name, head in HEADS.items():
            if args.only in name:
                load.run(head, args.requests // 2)
                show(args, name, counted.count(lambda: load.run(head, args.requests)))
                keep(args, name, counted)
        for name, flags in SECURE.items():
            if args.only in name:
                # Of many requests less few: what begins a connection does not count.
                few = args.requests // 4
                least = counted.count(lambda: secure(counted, args, flags, few))
                most = counted.count(lambda: secure(counted, args, flags, few + args.requests))
                show(args, name, most - least)
                keep(args, name, counted)


def keep(args, name, counted):
    if args.dump:
        pathlib.Path(f"{args.dump}.{name}").write_bytes(counted.dump.read_bytes())


def secure(counted, args, flags, requests):
    address = f"https://127.0.0.1:{counted.tls}/1k"
    load = ("h2load", "-t1", f"-c{args.connections}", *flags, f"-n{requests}", address)
    said = measure.run(need(load[0]), *load[1:], seconds=600)
    if f" {requests} succeeded" not in said:
        sys.exit(f"{' '.join(map(str, load))}:\n{said}")


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
    parser.add_argument("--groups", action="store_true", help="show whose code it is")
    parser.add_argument("--dump", help="keep callgrind's last files, with this as the first part of their names")
    return parser.parse_args()


class Counted:
    """The backend, and shunt-proxy with one data thread under callgrind."""

    def __init__(self, parts, proxy, log):
        self.dir, self.port, self.tls = parts.dir, parts.port(), parts.port()
        store = self.dir / "store"
        target = f"127.0.0.1:{peers.backend(parts)}"
        peers.put(store, "web", target, hosts=["*"], health={"path": "/1k"})
        section = f'directory = "{store}"'
        peers.certificates(parts, pathlib.Path(proxy).parent / "bench-load")
        more = peers.TLS.format(port=self.tls, directory=parts.dir / "certs")
        if log:
            more += peers.LOG.format(self.dir / "access.log")
        config = peers.shunt_config(parts, "counted", self.port, section, threads=1, more=more)
        out = f"--callgrind-out-file={self.dir}/callgrind"
        callgrind = ("--tool=callgrind", "--instr-atstart=no", out)
        self.process = parts.start(
            "counted", need("valgrind", "Debian has it under that name"), *callgrind, proxy, "run", "--config", config
        )
        parts.answers("counted", self.port)

    def count(self, work):
        """What `work` costs."""
        self._control("--instr=on")
        # Code is translated anew, and the first counts are of that.
        work()
        self._control("--zero")
        work()
        self._control("--dump")
        self._control("--instr=off")
        self.dump = max(self.dir.glob("callgrind.*"), key=lambda path: path.stat().st_mtime_ns)
        return Costs(self.dump.read_text())

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


def show(args, name, costs):
    each = lambda of: [(of[key] / args.requests, key) for key in sorted(of, key=of.get, reverse=True)]
    print(f"{name}: {costs.own.total() / args.requests:,.0f} instructions per request")
    if args.groups:
        for cost, group in each(costs.groups):
            print(f"{cost:12,.0f}  {group}")
    for kind, of in (("self", costs.own), ("with all it calls", costs.whole)) if args.top else ():
        print(f"  {kind}:")
        for cost, function in each(of)[: args.top]:
            print(f"{cost:12,.0f}  {function[:150]}")


class Costs:
    """Instructions by function, without and with those of the functions it calls, and by whose code it is.

    The format is in the manual of callgrind: a name is written out once, and a number stands for it
    from then on. The line after `calls=` is what the call cost."""

    def __init__(self, dump):
        self.own, self.whole, self.groups = (collections.Counter() for _ in range(3))
        names, files, groups = {}, {}, {}
        function, file, called = None, None, None
        for line in dump.splitlines():
            if named := re.match(r"(c?)fn=\((\d+)\)(?: (.*))?$", line):
                name = names.setdefault(named[2], named[3])
                if not named[1]:
                    function = name
                else:
                    callee = name
            elif named := re.match(r"(f[lie]|cf[il])=\((\d+)\)(?: (.*))?$", line):
                name = files.setdefault(named[2], named[3])
                if not named[1].startswith("c"):
                    file = name
            elif line.startswith("calls="):
                called = callee
            elif re.match(r"[+\-*\d]", line):
                cost = int(line.split()[1])
                if called is None:
                    self.own[function] += cost
                    if (function, file) not in groups:
                        groups[function, file] = group(function, file)
                    self.groups[groups[function, file]] += cost
                # What a function costs that calls itself is counted once, at the outermost call.
                if called is None or plain(called) != plain(function):
                    self.whole[function] += cost
                called = None

    def __sub__(self, less):
        for mine, other in ((self.own, less.own), (self.whole, less.whole), (self.groups, less.groups)):
            mine.subtract(other)
        return self


def group(function, file):
    """Whose code `function` is where it comes from `file`, of which others are inlined into it."""
    # A function of no known source is known by its name; one of Rust has its crate's in its file's.
    where = function if file == "???" else file
    return next((name for name, of in GROUPS.items() if re.search(of, where)), "other")


def plain(name):
    return name.partition("'")[0]


if __name__ == "__main__":
    main()
