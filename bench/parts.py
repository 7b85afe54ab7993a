"""Processes that run while their handle lives, with their files in a directory that goes with them."""

import contextlib
import os
import pathlib
import random
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

HERE = pathlib.Path(__file__).parent
# Below those that the kernel chooses from for outgoing connections, of which load makes many.
PORTS = range(5000, 10000)


class Parts(contextlib.AbstractContextManager):
    """Whatever is started here is gone when the context ends, however it ends."""

    def __enter__(self):
        self.processes, self._ports = {}, set()
        self._scratch = tempfile.TemporaryDirectory(prefix="shunt-bench-")
        self.dir = pathlib.Path(self._scratch.name)
        # The workers of nginx run as nobody where this runs as root.
        self.dir.chmod(0o755)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: sys.exit("ended by a signal"))
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        self.files = most
        return self

    def __exit__(self, *_):
        for process in self.processes.values():
            tell(process, signal.SIGTERM)
        for process in self.processes.values():
            ended(process)
        self._scratch.cleanup()

    def port(self):
        """A port of the loopback address that nobody listens on."""
        for port in random.sample(PORTS, len(PORTS)):
            with socket.socket() as probe, contextlib.suppress(OSError):
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(("127.0.0.1", port))
                if port not in self._ports:
                    self._ports.add(port)
                    return port
        raise SystemExit(f"no port from {PORTS.start} to {PORTS.stop - 1} is free")

    def config(self, template, name=None, /, **values):
        """Writes bench/config/TEMPLATE as NAME, with `@key@` replaced by the value."""
        values["dir"] = self.dir
        text = (HERE / "config" / template).read_text()
        path = self.dir / (name or template)
        path.write_text(re.sub(r"@(\w+)@", lambda found: str(values[found[1]]), text))
        return path

    def start(self, name, *command, **env):
        """Starts a program whose output goes to a file. It is ended with all that it starts."""
        log = self.log(name).open("ab")
        self.processes[name] = subprocess.Popen(
            list(map(str, command)), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            env={**os.environ, "TMPDIR": str(self.dir), **env}, start_new_session=True,
        )
        return self.processes[name]

    def stop(self, name):
        """Ends one before the others."""
        process = self.processes.pop(name)
        tell(process, signal.SIGTERM)
        ended(process)

    def finish(self, name, within, codes=(0,)):
        """Waits until one ends by itself, with one of these codes; returns its last line."""
        code = self.processes[name].wait(within)
        if code not in codes:
            self._fail(f"{name} ended with code {code}", name)
        del self.processes[name]
        return self.log(name).read_text(errors="replace").splitlines()[-1]

    def answers(self, name, port, path="/1k", within=20):
        """Waits until GET is answered with 200, and returns the body."""
        deadline = time.monotonic() + within
        while True:
            try:
                return get(port, path)
            except OSError as error:
                self.runs(name)
                if time.monotonic() > deadline:
                    self._fail(f"{name} does not answer: {error}", name)
            time.sleep(0.02)

    def runs(self, name):
        """Fails if it has ended."""
        if (code := self.processes[name].poll()) is not None:
            self._fail(f"{name} ended with code {code}", name)

    def _fail(self, what, name):
        lines = self.log(name).read_text(errors="replace").splitlines()[-20:]
        raise SystemExit("\n".join([what, *lines]))

    def log(self, name):
        """Where its output goes."""
        return self.dir / f"{name}.log"


def ended(process):
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        tell(process, signal.SIGKILL)
        process.wait()


def tell(process, number):
    """Sends a signal to a process and all that it has started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def get(port, path, timeout=10):
    """The body of an answer of status 200."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=timeout) as answer:
        return answer.read()


def find(program):
    """A program, searched where root would find it, too."""
    return shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin:/sbin")


def need(program, how="`tools/need bench etcd` installs it"):
    """The same for what nothing goes without."""
    found = find(program)
    if not found:
        raise SystemExit(f"{program} is not installed: {how}")
    return found
