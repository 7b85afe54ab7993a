"""The backend, shunt-proxy and its peers, each with two workers."""

import dataclasses
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess

from parts import find, need

SIZES = {"1k": 1 << 10, "100k": 100 << 10, "1m": 1 << 20}
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "shunt"
TLS = """
[[listen]]
address = "127.0.0.1:{port}"
tls = true
[tls]
certificates = "{directory}"
min_version = "1.3"
"""
LOG = """
[access_log]
path = "{}"
"""


@dataclasses.dataclass
class Peer:
    """A proxy that runs. A port it has not is what it cannot do."""

    name: str
    process: subprocess.Popen
    version: str
    http: int
    tls: int = 0
    echo: int = 0
    log: pathlib.Path = None

    @property
    def pid(self):
        return self.process.pid

    def forget(self):
        """Begins the access log anew, so that it does not fill the disk."""
        if self.log:
            self.log.unlink(missing_ok=True)
            os.kill(self.pid, signal.SIGUSR1)


class Field:
    """The backend and all peers that are there."""

    def __init__(self, parts, programs, proxy=None, wanted=""):
        self.parts, self.programs, self.proxy = parts, programs, proxy
        self.peers, self.left_out = [], {}
        certificates(parts, self.program("bench-load"))
        self.app, self.echo = backend(parts), self._echo()
        names = [name.strip() for name in wanted.split(",") if name.strip()]
        if unknown := set(names) - set(PEERS):
            raise SystemExit(f"no peer is called {', '.join(unknown)}: {', '.join(PEERS)}")
        for name, start in PEERS.items():
            if not names or name in names:
                self._start(name, start)

    def program(self, name):
        """One of those that cargo builds."""
        path = self.proxy if self.proxy and name == "shunt-proxy" else self.programs / name
        if not path.exists():
            raise SystemExit(f"{path} is not built: `bench/run` builds it")
        return path.resolve()

    def _start(self, name, start):
        ports = {"http": self.parts.port(), "tls": self.parts.port()}
        try:
            peer = start(self, name, ports)
        except Missing as missing:
            self.left_out[name] = str(missing)
            return
        self.parts.answers(name, peer.http)
        self.peers.append(peer)

    def run(self, name, ports, program, *command, version="-v", **env):
        process = self.parts.start(name, program, *command, **env)
        said = subprocess.run([program, version], capture_output=True, text=True)
        number = re.search(r"\b\d+\.\d+\.\d+\b", said.stdout + said.stderr)
        return Peer(name, process, number[0] if number else "", echo=ports["http"], **ports)

    def config(self, template, ports):
        return self.parts.config(template, app=self.app, echo=self.echo, **ports)

    def _echo(self):
        port = self.parts.port()
        self.parts.start("echo", self.program("bench-echo"), f"127.0.0.1:{port}")
        self.parts.answers("echo", port)
        return port


class Missing(Exception):
    """Why a peer is left out."""


def certificates(parts, load):
    """A certificate that `load` makes, where each peer looks for its own."""
    subprocess.run([load, "certificate", parts.dir], check=True)
    certificate, key = (parts.dir / f"localhost.{end}" for end in ("crt", "key"))
    (parts.dir / "certs").mkdir()
    for file in (certificate, key):
        shutil.copy(file, parts.dir / "certs")
    (parts.dir / "localhost.pem").write_text(certificate.read_text() + key.read_text())


def backend(parts, name="backend", addresses=()):
    """nginx that serves files, on more addresses than one if they are named. Returns its port."""
    www = parts.dir / "www"
    www.mkdir(exist_ok=True)
    www.chmod(0o755)
    for file, size in SIZES.items():
        (www / file).write_bytes(bytes(n * 7 % 251 for n in range(1024)) * (size // 1024))
    port = parts.port()
    listen = " ".join(f"listen {address}:{port} reuseport backlog=4096;" for address in addresses)
    body = parts.config("backend.conf", f"{name}.conf", http=port, listen=listen)
    parts.start(name, *nginx(parts, name, body))
    parts.answers(name, port)
    return port


def nginx(parts, name, body):
    files = parts.files
    config = parts.config(
        "nginx.conf", f"{name}-main.conf", name=name, body=body, files=files, connections=files // 2
    )
    return need("nginx"), "-c", config, "-e", parts.dir / f"{name}.err"


def nginx_peer(field, name, ports):
    return field.run(name, ports, *nginx(field.parts, name, field.config("nginx-proxy.conf", ports)))


def haproxy(field, name, ports):
    program = find("haproxy")
    if not program:
        raise Missing("not installed: `tools/need bench` installs it")
    return field.run(name, ports, program, "-db", "-f", field.config("haproxy.cfg", ports))


def envoy(field, name, ports):
    config = field.config("envoy.yaml", ports)
    flags = ("--concurrency", 2, "--disable-hot-restart", "--log-level", "error", "-c", config)
    return field.run(name, ports, fetched(name), *flags, version="--version")


def traefik(field, name, ports):
    field.config("traefik-routes.yaml", ports)
    flag = f"--configFile={field.config('traefik.yaml', ports)}"
    return field.run(name, ports, fetched(name), flag, version="version", GOMAXPROCS="2")


def fetched(name):
    program = CACHE / f"bench-{name}/proxy"
    if not program.exists():
        raise Missing("not there: `tools/need bench` fetches it where it can be had")
    return program


def shunt(field, name, ports):
    return _shunt(field, name, ports, None)


def shunt_with_log(field, name, ports):
    return _shunt(field, name, ports, field.parts.dir / "access.log")


def _shunt(field, name, ports, log):
    store = field.parts.dir / f"{name}-store"
    put(store, "web", f"127.0.0.1:{field.app}", hosts=["*"], health={"path": "/1k"})
    echo = {"hosts": ["*"], "paths": ["/echo"], "health": {"kind": "tcp"}}
    put(store, "echo", f"127.0.0.1:{field.echo}", **echo)
    more = TLS.format(port=ports["tls"], directory=field.parts.dir / "certs")
    more += LOG.format(log) if log else ""
    section = f'directory = "{store}"'
    config = shunt_config(field.parts, name, http=ports["http"], store=section, more=more)
    command = (field.program("shunt-proxy"), "run", "--config", config)
    peer = field.run(name, ports, *command, version="--version")
    peer.log = log
    return peer


def shunt_config(parts, name, http, store, threads=2, admin=None, more=""):
    """A proxy's file; `more` is sections after the others."""
    return parts.config(
        "shunt.toml", f"{name}.toml", name=name, http=http, store=store, threads=threads,
        admin=admin or parts.port(), more=more,
    )


def put(store, app, target, **settings):
    """An app with one release, in a directory store."""
    keys = store / "apps" / app
    keys.mkdir(parents=True)
    (keys / "app").write_text(json.dumps(settings))
    (keys / "blue").write_text(target)
    (keys / "active").write_text("blue")


def floor(field, name, ports):
    echo = field.parts.port()
    ways = ((ports["http"], field.app), (echo, field.echo))
    addresses = [f"127.0.0.1:{port}" for way in ways for port in way]
    process = field.parts.start(name, field.program("bench-copy"), *addresses)
    return Peer(name, process, "", http=ports["http"], echo=echo)


PEERS = {
    "nginx": nginx_peer,
    "haproxy": haproxy,
    "envoy": envoy,
    "traefik": traefik,
    "shunt": shunt,
    "shunt-log": shunt_with_log,
    "floor": floor,
}
