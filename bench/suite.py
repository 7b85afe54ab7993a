"""Runs the benchmark and writes results.json, results.md and chart.svg. bench/run builds it first.

    make bench                                   all of it
    make bench BENCH=--quick                     one short round each, to see that it works
    bench/run --only 1k --only latency           some of it, into target/bench
    bench/run --only scale --proxy OTHER         another shunt-proxy
    bench/run --list                             what there is
"""

import argparse
import datetime
import json
import os
import pathlib
import platform
import subprocess
import sys
import time

import chart
import cpu
import flips
import latency
import peers
import report
import scale
from parts import HERE, Parts, need

APPS = 10_000
FLIPS = 1000

# Name: what it is about. A scenario of a file of its own has its line here and in `run`.
SCENARIOS = {
    **{name: scenario.about for name, scenario in cpu.SCENARIOS.items()},
    **{name: f"latency, {about}" for name, about in latency.ABOUT.items()},
    "flips": f"{FLIPS} flips under load",
    "scale": f"{APPS:,} apps of two slots",
}


def main():
    args = arguments()
    names = chosen(args.only)
    if args.list:
        return print("\n".join(f"{name:22}{about}" for name, about in SCENARIOS.items()))
    for program in ("nginx", "wrk", "h2load", "etcd", "etcdctl"):
        need(program)
    began = time.monotonic()
    with Parts() as parts:
        field = peers.Field(parts, pathlib.Path(args.programs), args.proxy, args.peers)
        for peer, reason in field.left_out.items():
            print(f"{peer} is left out: {reason}", file=sys.stderr)
        results = run(names, field, args)
    figures = {
        "at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "took_s": round(time.monotonic() - began),
        "rounds": args.rounds,
        "seconds": args.seconds,
        "versions": {peer.name: peer.version for peer in field.peers},
        "left_out": field.left_out,
        "about": {name: SCENARIOS[name] for name in results},
        "results": results,
    }
    write(pathlib.Path(args.out), figures)
    if failed := report.errors(results):
        sys.exit("some requests failed, and these figures do not count:\n" + "\n".join(failed))


def arguments():
    parser = argparse.ArgumentParser(
        prog="bench/run", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    target = os.environ.get("CARGO_TARGET_DIR", "target")
    add = parser.add_argument
    add("--only", action="append", default=[], metavar="NAME", help="scenarios with this in their name")
    add("--peers", default="", metavar="NAME,NAME", help=f"of {', '.join(peers.PEERS)}")
    add("--rounds", type=int, help="turns of each peer (5)")
    add("--seconds", type=int, help="of each turn (3)")
    add("--quick", action="store_true", help="one round of one second, 50 flips")
    add("--proxy", type=pathlib.Path, help="another shunt-proxy")
    add("--programs", default=f"{target}/release", help="where cargo has built them")
    add("--out", help="where to: bench if it is all of it, or else target/bench")
    add("--list", action="store_true", help="say what there is")
    args = parser.parse_args()
    whole = not (args.only or args.peers or args.quick or args.proxy)
    args.rounds = args.rounds or (1 if args.quick else 5)
    args.seconds = args.seconds or (1 if args.quick else 3)
    args.out = args.out or (HERE if whole else f"{target}/bench")
    return args


def chosen(only):
    """The scenarios asked for: the one of that name, or else those with it in theirs."""
    names = set()
    for wanted in only or [""]:
        found = {wanted} & set(SCENARIOS) or {name for name in SCENARIOS if wanted in name}
        if not found:
            sys.exit(f"no scenario has `{wanted}` in its name: {', '.join(SCENARIOS)}")
        names |= found
    return [name for name in SCENARIOS if name in names]


def run(names, field, args):
    results = {}
    for name in names:
        if name in cpu.SCENARIOS:
            results[name] = cpu.run(name, field, args.rounds, args.seconds)
    if late := [name for name in names if name in latency.ABOUT]:
        results |= latency.run(late, field, args.rounds, args.seconds)
    if "flips" in names:
        results["flips"] = flips.run(field, 50 if args.quick else FLIPS)
    if "scale" in names:
        results["scale"] = scale.run(field, args.rounds, args.seconds, APPS)
    return results


def machine():
    model = next(
        (line.partition(":")[2].strip() for line in open("/proc/cpuinfo") if "model name" in line),
        platform.machine(),
    )
    git = ["git", "-C", HERE, "describe", "--always", "--dirty"]
    commit = subprocess.run(git, capture_output=True, text=True).stdout.strip()
    return {"cpu": model, "cores": os.cpu_count(), "kernel": platform.release(), "commit": commit}


def write(out, figures):
    out.mkdir(parents=True, exist_ok=True)
    text = report.markdown(figures)
    (out / "results.json").write_text(json.dumps(figures, indent=1) + "\n")
    (out / "results.md").write_text(text)
    (out / "chart.svg").write_text(chart.svg(figures))
    print(text)
    print(f"written: {out}/results.json, results.md, chart.svg", file=sys.stderr)


if __name__ == "__main__":
    main()
