#!/usr/bin/env python3
"""CPU per request of shunt-proxy and its peers, side by side, on the same backend.

Every proxy runs with two workers in front of one nginx that serves files; wrk loads them in turns,
and each turn is charged with the user and system time of the proxy's whole process tree. What is
quoted is the ratio of medians: it holds from machine to machine far better than microseconds.

    make bench                         all scenarios, a table and bench/results.json
    make bench BENCH="--quick"         one short round each, to see that it works
    python3 bench/cpu.py --only 1k     scenarios whose name contains "1k"
"""

import argparse
import json
import pathlib
import statistics
import sys
import tempfile

import measure
import peers

SCENARIOS = {
    # name: (path, connections, extra arguments for wrk, seconds)
    "1k": ("/1k", 64, [], 5),
    "1k-1000-connections": ("/1k", 1000, [], 5),
    "100k": ("/100k", 64, [], 5),
    "1m": ("/1m", 16, [], 5),
    "new-connections": ("/1k", 64, ["-H", "Connection: close"], 5),
}


def main():
    args = arguments()
    with tempfile.TemporaryDirectory(prefix="shunt-bench-") as scratch:
        with peers.Field(pathlib.Path(scratch), args.proxy) as field:
            results = {}
            for name, scenario in SCENARIOS.items():
                if args.only in name:
                    results[name] = run(name, scenario, field, args)
    if not results:
        sys.exit(f"no scenario has `{args.only}` in its name: {', '.join(SCENARIOS)}")
    table(results)
    if args.json:
        pathlib.Path(args.json).write_text(json.dumps(results, indent=2) + "\n")
    if any(peer["errors"] for peers_ in results.values() for peer in peers_.values()):
        sys.exit("some requests failed: the figures above do not count")


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--proxy", default="target/release/shunt-proxy", help="the program to test")
    parser.add_argument("--only", default="", help="scenarios whose name contains this")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each peer (default 5)")
    parser.add_argument("--quick", action="store_true", help="one round of one second")
    parser.add_argument("--json", help="also write the figures to this file")
    return parser.parse_args()


def run(name, scenario, field, args):
    path, connections, extra, seconds = scenario
    rounds, seconds = (1, 1) if args.quick else (args.rounds, seconds)
    turns = {peer.name: [] for peer in field.peers}
    for peer in field.peers:
        measure.wrk(peer, path, connections, extra, 1)
    for n in range(rounds):
        print(f"{name}: round {n + 1} of {rounds}", file=sys.stderr)
        for peer in field.peers:
            turns[peer.name].append(measure.turn(peer, path, connections, extra, seconds))
    return {peer: summary(of) for peer, of in turns.items()}


def summary(turns):
    cpu = [turn["cpu_us"] for turn in turns]
    return {
        "cpu_us": statistics.median(cpu),
        "cpu_us_spread": [min(cpu), max(cpu)],
        "requests_per_second": statistics.median(turn["rate"] for turn in turns),
        "p99_ms": statistics.median(turn["p99_ms"] for turn in turns),
        "errors": sum(turn["errors"] for turn in turns),
    }


def table(results):
    print("| work | proxy | CPU per request | ratio to nginx | spread | requests/s | p99 |")
    print("|---|---|---|---|---|---|---|")
    for name, of in results.items():
        base = of["nginx"]["cpu_us"]
        for peer, r in of.items():
            low, high = r["cpu_us_spread"]
            print(
                f"| {name} | {peer} | {r['cpu_us']:.1f} µs | {r['cpu_us'] / base:.2f} "
                f"| {low:.1f}-{high:.1f} | {r['requests_per_second']:,.0f} | {r['p99_ms']:.2f} ms |"
            )


if __name__ == "__main__":
    main()
