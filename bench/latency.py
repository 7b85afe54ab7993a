"""Latency at a fixed rate, counted from when each request was due, whether it could be sent or not."""

import statistics
import sys

import measure

CONNECTIONS = 64
TIMES = ("p50_ms", "p99_ms", "p99.9_ms")
ABOUT = {
    "latency": "each at half of the rate that saturates it",
    "latency-same": "all at half of the rate that saturates the slowest",
}


def run(names, field, rounds, seconds):
    """The figures of both, by peer."""
    print("latency: what saturates each", file=sys.stderr)
    full = {peer.name: saturated(field, peer, seconds) for peer in field.peers}
    slowest = min(rate for peer, rate in full.items() if peer != "floor" or len(full) == 1)
    rates = {
        "latency": {peer: rate / 2 for peer, rate in full.items()},
        "latency-same": dict.fromkeys(full, slowest / 2),
    }
    return {name: figures(name, field, rounds, seconds, rates[name]) for name in names}


def saturated(field, peer, seconds):
    """Requests a second as fast as they are answered, by the same load."""
    rates = [load(field, peer, seconds)["rate"] for _ in range(3)]
    return statistics.median(rates)


def load(field, peer, seconds, *flags):
    program = field.program("bench-load")
    flags = (f"--connections={CONNECTIONS}", *flags)
    figures = measure.bench_load(program, "requests", peer.http, seconds, *flags)
    peer.forget()
    return figures


def figures(name, field, rounds, seconds, rates):
    turns = {peer.name: [] for peer in field.peers}
    for n in range(rounds):
        print(f"{name}: round {n + 1} of {rounds}", file=sys.stderr)
        for peer in field.peers:
            turn = load(field, peer, seconds, f"--rate={rates[peer.name]:.0f}")
            turns[peer.name].append(turn)
    return {peer: summary(of, rates[peer]) for peer, of in turns.items()}


def summary(turns, rate):
    error = next((turn["first_error"] for turn in turns if turn.get("first_error")), None)
    said = {"rate": rate, "errors": sum(turn["errors"] for turn in turns)}
    for time in TIMES:
        of = [turn[time] for turn in turns]
        said[time] = statistics.median(of)
        said[f"{time}_spread"] = [min(of), max(of)]
    return said | ({"first_error": error} if error else {})
