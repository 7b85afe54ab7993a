"""CPU per request of all peers in turns, on the same backend."""

import pathlib
import statistics
import sys

import measure

UPLOAD = pathlib.Path(__file__).parent / "config/upload.lua"


class Wrk:
    """Closed loop over HTTP/1.1: a connection sends when it has its answer."""

    def __init__(self, about, path, connections, port="http", extra=()):
        self.about, self.path, self.connections = about, path, connections
        self.port, self.extra = port, extra

    def load(self, _field, peer, seconds):
        scheme = "https" if self.port == "tls" else "http"
        port = getattr(peer, self.port)
        return measure.wrk(port, self.path, self.connections, seconds, scheme, self.extra)


class H2load:
    """Streams of HTTP/2 over TLS."""

    port = "tls"

    def __init__(self, about, path, connections, streams):
        self.about, self.path = about, path
        self.connections, self.streams = connections, streams

    def load(self, _field, peer, seconds):
        return measure.h2load(peer.tls, self.path, self.connections, self.streams, seconds)


class BenchLoad:
    """What the load generator of this benchmark makes."""

    def __init__(self, about, kind, port, *flags):
        self.about, self.kind, self.port, self.flags = about, kind, port, flags

    def load(self, field, peer, seconds):
        program, port = field.program("bench-load"), getattr(peer, self.port)
        flags = [flag.replace("@dir@", str(field.parts.dir)) for flag in self.flags]
        return measure.bench_load(program, self.kind, port, seconds, *flags)


HANDSHAKE = ("handshake", "tls", "--connections=32", "--ca=@dir@/ca.pem")
CLOSE = ("-H", "Connection: close")
SCENARIOS = {
    "1k-1-connection": Wrk("1 KiB, 1 kept connection", "/1k", 1),
    "1k": Wrk("1 KiB, 64 kept connections", "/1k", 64),
    "1k-1000-connections": Wrk("1 KiB, 1,000 kept connections", "/1k", 1000),
    "100k": Wrk("100 KiB, 64 kept connections", "/100k", 64),
    "1m": Wrk("1 MiB, 16 kept connections", "/1m", 16),
    "upload-1m": Wrk("upload of 1 MiB, 16 kept connections", "/upload", 16, extra=("-s", UPLOAD)),
    "new-connections": Wrk("1 KiB, a new connection each", "/1k", 64, extra=CLOSE),
    "tls": Wrk("1 KiB, TLS 1.3, 64 kept connections", "/1k", 64, "tls"),
    "tls-new": BenchLoad("1 KiB, TLS 1.3, a new session each", *HANDSHAKE),
    "tls-resumed": BenchLoad("1 KiB, TLS 1.3, a resumed session each", *HANDSHAKE, "--resume"),
    "http2": H2load("1 KiB, HTTP/2 over TLS, 16 × 16 streams", "/1k", 16, 16),
    "websocket": BenchLoad(
        "WebSocket echo of 1 KiB, 64 connections", "websocket", "echo", "--path=/echo"
    ),
}


def run(name, field, rounds, seconds):
    """The figures of one scenario by peer."""
    scenario = SCENARIOS[name]
    able = [peer for peer in field.peers if getattr(peer, scenario.port)]
    turns = {peer.name: [] for peer in able}
    for peer in able:
        scenario.load(field, peer, 1)
    for n in range(rounds):
        print(f"{name}: round {n + 1} of {rounds}", file=sys.stderr)
        # Who comes first changes, so that no peer always comes after the same other.
        for peer in able[n % len(able):] + able[: n % len(able)]:
            load = lambda: scenario.load(field, peer, seconds)
            turns[peer.name].append(measure.charged(peer.pid, load))
            peer.forget()
    return {peer: summary(of) for peer, of in turns.items()}


def summary(turns):
    """Medians, and the spread of what is quoted."""
    cpu = [turn["cpu_us"] for turn in turns]
    figures = {
        "cpu_us": statistics.median(cpu),
        "cpu_us_spread": [min(cpu), max(cpu)],
        "requests_per_second": statistics.median(turn["rate"] for turn in turns),
        "errors": sum(turn["errors"] for turn in turns),
    }
    for time in ("p50_ms", "p99_ms"):
        if time in turns[0]:
            figures[time] = statistics.median(turn[time] for turn in turns)
    if error := next((turn["first_error"] for turn in turns if turn.get("first_error")), None):
        figures["first_error"] = error
    return figures
