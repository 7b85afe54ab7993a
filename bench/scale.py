"""What ten thousand apps cost shunt-proxy: two slots each, all from one etcd."""

import json
import pathlib
import re
import statistics
import sys
import time

import measure
import peers
from etcd import Etcd
from parts import get

HOSTS = pathlib.Path(__file__).parent / "config/hosts.lua"
# Targets are on many addresses: closed connections rest for a minute, and each address has room for
# 28,000 of them.
ADDRESSES = [f"127.0.0.{n}" for n in range(2, 34)]
ONE_HOST = ["-H", "Host: app-0.example.com"]


class Proxy:
    """shunt-proxy on its own part of etcd."""

    def __init__(self, field, etcd, apps):
        self.parts, self.etcd, self.apps = field.parts, etcd, apps
        self.name = f"apps-{apps}"
        self.port, self.admin = self.parts.port(), self.parts.port()
        store = f'etcd = ["{etcd.url}"]\nprefix = "/{self.name}"'
        config = peers.shunt_config(self.parts, self.name, self.port, store, admin=self.admin)
        self.command = (field.program("shunt-proxy"), "run", "--config", config)

    def fill(self, backend):
        """Puts the releases of all apps."""
        pairs = []
        for n in range(self.apps):
            key, target = self._key(n), f"{ADDRESSES[n % len(ADDRESSES)]}:{backend}"
            pairs += [(f"{key}/blue", target), (f"{key}/green", target), (f"{key}/active", "blue")]
        self.etcd.put(pairs)

    def check_every(self, interval):
        """Puts the settings of all apps."""
        health = {"path": "/1k", "interval": interval}
        settings = ({"hosts": [f"app-{n}.example.com"], "health": health} for n in range(self.apps))
        self.etcd.put((f"{self._key(n)}/app", json.dumps(app)) for n, app in enumerate(settings))

    def _key(self, n):
        return f"/{self.name}/apps/app-{n}"

    def start(self):
        """Seconds until it is ready, and until all apps are served."""
        began = time.monotonic()
        self.pid = self.parts.start(self.name, *self.command).pid
        self.parts.answers(self.name, self.admin, "/readyz", within=120)
        ready = time.monotonic() - began
        while self.value('shunt_apps{state="serving"}') < self.apps:
            self.parts.runs(self.name)
            if time.monotonic() - began > 120:
                raise SystemExit(f"{self.name}: not all apps are served after two minutes")
            time.sleep(0.1)
        return ready, time.monotonic() - began

    def scrape(self):
        return get(self.admin, "/metrics", timeout=60)

    def cpu(self):
        return measure.cpu_seconds(self.pid)

    def settle(self):
        """Waits until it has saved and told what it found at the start."""
        while self.idle(1) > 0.02:
            pass

    def idle(self, seconds):
        """CPU time per second while nothing is asked."""
        before = self.cpu()
        time.sleep(seconds)
        return (self.cpu() - before) / seconds

    def flips(self, count, idle):
        """CPU time of a flip of one of the apps."""
        done, before = self.flipped(), self.cpu()
        began = time.monotonic()
        for n in range(count):
            self.etcd.put([(f"{self._key(0)}/active", ("green", "blue")[n % 2])])
            time.sleep(0.01)
        # What is told of the last one is still on its way.
        time.sleep(1)
        spent = self.cpu() - before - idle * (time.monotonic() - began)
        done = self.flipped() - done
        if done != count:
            raise SystemExit(f"{self.name}: {done} of {count} flips were applied")
        return spent / count * 1e6

    def flipped(self):
        return self.value('shunt_flips_total{app="app-0",result="applied"}')

    def value(self, series):
        """What a scrape says; 0 for a series that is not there."""
        found = re.search(rb"^" + re.escape(series.encode()) + rb" (\d+)", self.scrape(), re.M)
        return int(found[1]) if found else 0

    def acknowledged(self, count):
        """Milliseconds from a put to the status that says it is applied and saved."""
        prefix, times = f"/{self.name}/proxies/", []
        status, _ = self.etcd.first(prefix, prefix + "~")
        status = status[: status.rindex("/")] + "/app-0"
        for n in range(count):
            began = time.monotonic()
            revision = self.etcd.put([(f"{self._key(0)}/active", ("green", "blue")[n % 2])])
            while f"-{revision}-" not in json.loads(self.etcd.first(status, status + "\0")[1])["active"]:
                if time.monotonic() - began > 10:
                    raise SystemExit(f"{self.name}: a flip is not acknowledged")
            times.append(time.monotonic() - began)
        return statistics.median(times) * 1e3


def run(field, rounds, seconds, apps):
    etcd, backend = Etcd(field.parts), peers.backend(field.parts, "backend-of-many", ADDRESSES)
    one, many = Proxy(field, etcd, 1), Proxy(field, etcd, apps)
    say(f"{apps} apps go into etcd")
    for proxy in (one, many):
        proxy.fill(backend)
        proxy.check_every("1h")
    say("cold start")
    one.start()
    ready, served = many.start()
    figures = {"apps": apps, "ready_s": ready, "served_s": served}
    many.settle()
    figures["memory_mib"] = {p.name: measure.memory_mib(p.pid) for p in (one, many)}
    figures["scrape_quiet"] = scrapes(many)
    figures["cpu_us"] = requests(one, many, rounds, seconds)
    figures["memory_busy_mib"] = {p.name: measure.memory_mib(p.pid) for p in (one, many)}
    say("flips")
    # Connections to targets are kept for some seconds, and looked through meanwhile.
    time.sleep(8)
    idle = {proxy.name: proxy.idle(10) for proxy in (one, many)}
    figures["flip_cpu_us"] = {p.name: p.flips(100, idle[p.name]) for p in (one, many)}
    figures["flip_ms"] = {p.name: p.acknowledged(50) for p in (one, many)}
    say("scrapes")
    figures["scrape"] = scrapes(many)
    figures["memory_scraped_mib"] = {p.name: measure.memory_mib(p.pid) for p in (one, many)}
    say("health checks")
    many.check_every("10s")
    time.sleep(12)
    figures["checks_cpu_percent"] = (many.idle(20) - idle[many.name]) * 100
    figures["idle_cpu_percent"] = idle[many.name] * 100
    for name in (one.name, many.name, "backend-of-many", "etcd"):
        field.parts.stop(name)
    return figures


def requests(one, many, rounds, seconds):
    """CPU per request by what is asked of whom."""
    to_one = {"one": (one, ONE_HOST), "one of many": (many, ONE_HOST)}
    to_all = {"all of many": (many, ["-s", str(HOSTS), "--", str(many.apps)])}
    turns = {name: [] for name in (*to_one, *to_all)}
    # Not in turns with each other: what closes the connections of the one is not the other's cost.
    for works in (to_one, to_all):
        for n in range(-1, rounds):
            what = f"round {n + 1} of {rounds}" if n >= 0 else "warm-up"
            say(f"requests to {', '.join(works)}: {what}")
            for name, (proxy, extra) in works.items():
                load = lambda: measure.wrk(proxy.port, "/1k", 64, seconds, extra=extra)
                turns[name].append(measure.charged(proxy.pid, load))
    cpu = {name: statistics.median(turn["cpu_us"] for turn in of[1:]) for name, of in turns.items()}
    return cpu | {"errors": sum(turn["errors"] for of in turns.values() for turn in of)}


def scrapes(proxy):
    times, before = [], proxy.cpu()
    for _ in range(5):
        began = time.monotonic()
        size = len(proxy.scrape())
        times.append(time.monotonic() - began)
    cpu = (proxy.cpu() - before) / len(times)
    return {"ms": statistics.median(times) * 1e3, "cpu_ms": cpu * 1e3, "bytes": size}


def say(what):
    print(f"scale: {what}", file=sys.stderr)
