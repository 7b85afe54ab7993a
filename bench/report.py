"""Figures as Markdown."""

import cpu
import latency

LABELS = {
    "haproxy": "HAProxy",
    "envoy": "Envoy",
    "traefik": "Traefik",
    "shunt-log": "shunt + log",
    "floor": "plain copy",
}


def label(peer):
    return LABELS.get(peer, peer)


def markdown(figures):
    results = figures["results"]
    tables = [about(figures)]
    if of := {name: results[name] for name in cpu.SCENARIOS if name in results}:
        tables += [cpu_table(of), rate_table(of)]
    for name in latency.ABOUT:
        if name in results:
            tables.append(latency_table(latency.ABOUT[name], results[name]))
    if "flips" in results:
        tables.append(flips_table(results["flips"]))
    if "scale" in results:
        tables.append(scale_table(results["scale"]))
    return "\n\n".join(tables) + "\n"


def about(figures):
    machine, rounds = figures["machine"], figures["rounds"]
    known = {peer: version for peer, version in figures["versions"].items() if version}
    known.pop("shunt-log", None)
    versions = ", ".join(f"{label(peer)} {version}" for peer, version in known.items())
    turns = f"Medians of {rounds} turns of" if rounds > 1 else "One turn of"
    lines = [
        f"{machine['cores']} × {machine['cpu']}, Linux {machine['kernel']}; load, backend and proxy "
        f"share them. {versions} ({machine['commit']}). {turns} {figures['seconds']} s"
        f"{'; lowest and highest in brackets' if rounds > 1 else ''}. "
        f"{figures['at'][:10]}, {figures['took_s'] / 60:.0f} minutes."
    ]
    lines += [f"Left out: {label(peer)} ({reason})." for peer, reason in figures["left_out"].items()]
    return "\n".join(lines)


def cpu_table(results):
    def cell(figures):
        low, high = figures["cpu_us_spread"]
        return number(figures["cpu_us"]) + spread(number(low), number(high))

    return matrix("CPU per request in µs", results, cell, ratio)


def rate_table(results):
    return matrix("requests per second", results, lambda f: f"{f['requests_per_second']:,.0f}")


def ratio(of):
    if "nginx" not in of or "shunt" not in of:
        return "-"
    return f"{of['shunt']['cpu_us'] / of['nginx']['cpu_us']:.2f}"


def matrix(title, results, cell, last=None):
    names = list(dict.fromkeys(peer for of in results.values() for peer in of))
    head = [title, *map(label, names), *(["shunt to nginx"] if last else [])]
    rows = []
    for name, of in results.items():
        cells = [cell(of[peer]) if peer in of else "-" for peer in names]
        rows.append([cpu.SCENARIOS[name].about, *cells, *([last(of)] if last else [])])
    return table(head, rows)


def latency_table(about, results):
    head = [f"latency at a fixed rate, {about}", "requests/s", "p50", "p99", "p99.9"]

    def time(figures, share):
        low, high = figures[f"{share}_spread"]
        return f"{figures[share]:.2f} ms" + spread(f"{low:.2f}", f"{high:.2f}")

    return table(head, [
        [label(peer), f"{f['rate']:,.0f}", *(time(f, share) for share in latency.TIMES)]
        for peer, f in results.items()
    ])


def flips_table(f):
    late, answers = f["late_ms"], f["answers_p99.9_ms"]
    return table(["flips, at half of the rate that saturates", ""], [
        ["flips; requests sent, failed", f"{f['flips']}; {f['requests']:,}, {f['failed']}"],
        ["return of the put to the last answer of the old slot to a request sent later",
         f"p99 {late['p99']:.2f} ms, worst {late['worst']:.2f} ms"],
        ["p99.9 of answers during the flips, and without them",
         f"{answers['flips']:.2f} ms, {answers['calm']:.2f} ms"],
    ])


def scale_table(f):
    apps, cpu_us = f["apps"], f["cpu_us"]
    one, many = list(f["memory_mib"])
    return table([f"{apps:,} apps of two slots, from etcd", "1 app", f"{apps:,} apps"], [
        ["CPU per request, to one app", f"{cpu_us['one']:.1f} µs", f"{cpu_us['one of many']:.1f} µs"],
        ["CPU per request, to all in turn", "", f"{cpu_us['all of many']:.1f} µs"],
        ["CPU of a flip", *(f"{f['flip_cpu_us'][p] / 1000:.2f} ms" for p in (one, many))],
        ["put of a flip to its acknowledgement", *(f"{f['flip_ms'][p]:.1f} ms" for p in (one, many))],
        ["resident memory after the start", *mib(f["memory_mib"])],
        ["after requests to all", *mib(f["memory_busy_mib"])],
        ["after flips and scrapes", *mib(f["memory_scraped_mib"])],
        ["cold start: ready, all apps served", "", f"{f['ready_s']:.1f} s, {f['served_s']:.1f} s"],
        ["CPU of the checks of all targets every 10 s, and of doing nothing", "",
         f"{f['checks_cpu_percent']:.1f} %, {f['idle_cpu_percent']:.1f} % of a core"],
        ["a scrape of /metrics before the first request", "", scraped(f["scrape_quiet"])],
        ["after requests to all", "", scraped(f["scrape"])],
    ])


def mib(of):
    return (f"{mib:.0f} MiB" for mib in of.values())


def scraped(f):
    return f"{f['bytes'] / 1e6:.1f} MB in {f['ms']:.0f} ms, {f['cpu_ms']:.0f} ms of CPU"


def spread(low, high):
    return f" ({low}-{high})" if low != high else ""


def number(value):
    return f"{value:.1f}" if value < 100 else f"{value:.0f}"


def table(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def errors(results, path=()):
    """Where requests failed, in the words of whoever counted them."""
    found = []
    for name, value in results.items():
        if isinstance(value, dict):
            found += errors(value, (*path, name))
        elif name in ("errors", "failed") and value:
            found.append(f"{' '.join(path)}: {value} {results.get('first_error', '')}".strip())
    return found
