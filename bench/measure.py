"""One turn: load from wrk, h2load or bench-load, CPU time from /proc."""

import json
import os
import pathlib
import re
import subprocess

from parts import need

TICKS = os.sysconf("SC_CLK_TCK")
UNITS = {"us": 0.001, "ms": 1, "s": 1000}


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


def memory_mib(pid):
    """Resident memory of one process."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) / 1024


def charged(pid, load):
    """What `load` says, with the CPU time that it cost the process for each request."""
    before = cpu_seconds(pid)
    figures = load()
    spent = cpu_seconds(pid) - before
    figures["cpu_us"] = spent / max(1, figures["requests"]) * 1e6
    return figures


def wrk(port, path, connections, seconds, scheme="http", extra=()):
    said = run(
        need("wrk"), "-t1", f"-c{connections}", f"-d{seconds}s", "--latency",
        f"{scheme}://127.0.0.1:{port}{path}", *extra, seconds=seconds,
    )
    broken = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", said)
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
    figures = {
        "requests": int(re.search(r"(\d+) requests in", said)[1]),
        "rate": float(re.search(r"Requests/sec:\s+([\d.]+)", said)[1]),
        "errors": sum(map(int, broken.groups() if broken else [])) + int(refused[1] if refused else 0),
    }
    for share in ("50", "99"):
        time, unit = re.search(rf"{share}%\s+([\d.]+)(us|ms|s)", said).groups()
        figures[f"p{share}_ms"] = float(time) * UNITS[unit]
    return figures


def h2load(port, path, connections, streams, seconds):
    said = run(
        need("h2load"), "-t1", f"-c{connections}", f"-m{streams}", f"-D{seconds}",
        f"https://127.0.0.1:{port}{path}", seconds=seconds,
    )
    failed, errored, timeout = re.search(r"(\d+) failed, (\d+) errored, (\d+) timeout", said).groups()
    good = int(re.search(r"status codes: (\d+) 2xx", said)[1])
    protocol = re.search(r"Application protocol: (\S+)", said)
    if not protocol or protocol[1] != "h2":
        raise SystemExit(f"port {port} does not speak HTTP/2:\n{said}")
    return {
        "requests": good,
        "rate": good / seconds,
        "errors": int(failed) + int(errored) + int(timeout),
    }


def bench_load(program, kind, port, seconds, *flags):
    said = run(
        program, kind, "--address", f"127.0.0.1:{port}", "--seconds", seconds, *flags,
        seconds=seconds,
    )
    figures = json.loads(said)
    figures["rate"] = figures["requests"] / max(figures["seconds"], 0.001)
    return figures


def run(*command, seconds):
    command = list(map(str, command))
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 90)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: code {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout
