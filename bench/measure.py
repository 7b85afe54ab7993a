"""One turn: load from wrk, CPU time from /proc."""

import os
import pathlib
import re
import subprocess

TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid):
    """User and system time of a process and all its children, threads included."""
    total = 0
    for process in tree(pid):
        try:
            stat = pathlib.Path(f"/proc/{process}/stat").read_text()
        except FileNotFoundError:
            continue
        # Fields 14 and 15, counted after the name, which may contain anything: proc(5).
        fields = stat.rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


def tree(pid):
    found = [pid]
    for children in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        for child in children.read_text().split():
            found += tree(int(child))
    return found


def turn(peer, path, connections, extra, seconds):
    before = cpu_seconds(peer.pid)
    figures = wrk(peer, path, connections, extra, seconds)
    figures["cpu_us"] = (cpu_seconds(peer.pid) - before) / figures["requests"] * 1e6
    return figures


def wrk(peer, path, connections, extra, seconds):
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", *extra]
    said = subprocess.run(
        [*command, f"http://127.0.0.1:{peer.port}{path}"],
        capture_output=True, text=True, check=True, timeout=seconds + 60,
    ).stdout
    errors = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", said)
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
    p99, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", said).groups()
    return {
        "requests": max(1, int(re.search(r"(\d+) requests in", said).group(1))),
        "rate": float(re.search(r"Requests/sec:\s+([\d.]+)", said).group(1)),
        "p99_ms": float(p99) * {"us": 0.001, "ms": 1, "s": 1000}[unit],
        "errors": sum(map(int, errors.groups() if errors else [])) + int(refused[1] if refused else 0),
    }
