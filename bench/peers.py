"""The backend, shunt-proxy and its peers, each with two workers on a free port."""

import contextlib
import json
import pathlib
import socket
import subprocess
import time
import urllib.request

NGINX = """
worker_processes 2; daemon off; pid {dir}/{name}.pid; error_log {dir}/{name}.err;
events {{ worker_connections 8192; }}
http {{
  access_log off; keepalive_requests 1000000000; client_body_temp_path {dir}/{name}-body;
  proxy_temp_path {dir}/{name}-proxy; fastcgi_temp_path {dir}/{name}-f;
  uwsgi_temp_path {dir}/{name}-u; scgi_temp_path {dir}/{name}-s;
  {body}
}}
"""
BACKEND = "sendfile on; tcp_nopush on; server {{ listen 127.0.0.1:{port} reuseport; root {dir}/www; }}"
PROXY = """
  upstream app {{ server 127.0.0.1:{app}; keepalive 256; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{port} reuseport backlog=4096;
    location / {{
      proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_set_header Host $host; proxy_set_header X-Forwarded-Host $host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme; proxy_set_header X-Request-Id $request_id;
    }}
  }}
"""
HAPROXY = """
global
  nbthread 2
  maxconn 8192
defaults
  mode http
  option forwardfor
  timeout connect 5s
  timeout client 60s
  timeout server 60s
frontend in
  bind 127.0.0.1:{port}
  http-request set-header X-Forwarded-Proto http
  http-request set-header X-Forwarded-Host %[req.hdr(host)]
  default_backend app
backend app
  http-reuse always
  server app 127.0.0.1:{app} check
"""
SHUNT = """
name = "bench"
threads = {threads}
[[listen]]
address = "127.0.0.1:{port}"
[store]
directory = "{dir}/store"
[state]
directory = "{dir}/state"
[admin]
address = "127.0.0.1:{admin}"
"""
SIZES = {"1k": 1 << 10, "100k": 100 << 10, "1m": 1 << 20}


class Peer:
    """One running proxy."""

    def __init__(self, name, port, process):
        self.name, self.port, self.process, self.pid = name, port, process, process.pid


class Field(contextlib.AbstractContextManager):
    """All peers, stopped and gone when the context ends."""

    def __init__(self, scratch, proxy):
        self.dir, self.processes, self.peers = scratch, [], []
        try:
            self._start(pathlib.Path(proxy).resolve())
        except BaseException:
            self.__exit__()
            raise

    def _start(self, proxy):
        app = self.backend()
        self._peer("nginx", self._nginx("nginx", PROXY, app=app))
        port = free_port()
        config = self._file("haproxy.cfg", HAPROXY.format(port=port, app=app))
        self._run("haproxy", "-db", "-f", config)
        self._peer("haproxy", port)
        self._peer("shunt", self.shunt(proxy, app, threads=2))

    def backend(self):
        www = self.dir / "www"
        www.mkdir()
        # The workers run as nobody where this runs as root.
        for place in (self.dir, www):
            place.chmod(0o755)
        for name, size in SIZES.items():
            (www / name).write_bytes(bytes(n * 7 % 251 for n in range(1024)) * (size // 1024))
        app = self._nginx("backend", BACKEND)
        self._wait("backend", app)
        return app

    def shunt(self, proxy, app, threads):
        port, admin = free_port(), free_port()
        apps = self.dir / "store/apps/web"
        apps.mkdir(parents=True)
        (apps / "app").write_text(json.dumps({"hosts": ["*"], "health": {"path": "/1k"}}))
        (apps / "blue").write_text(f"127.0.0.1:{app}")
        (apps / "active").write_text("blue")
        text = SHUNT.format(port=port, dir=self.dir, admin=admin, threads=threads)
        self._run(proxy, "run", "--config", self._file("proxy.toml", text))
        self._wait("shunt", port)
        return port

    def _file(self, name, text):
        path = self.dir / name
        path.write_text(text)
        return path

    def _nginx(self, name, body, **values):
        port = free_port()
        body = body.format(port=port, dir=self.dir, **values)
        config = self._file(f"{name}.conf", NGINX.format(dir=self.dir, name=name, body=body))
        self._run("nginx", "-c", config, "-e", self.dir / f"{name}.err")
        return port

    def _run(self, *command):
        log = (self.dir / f"{pathlib.Path(command[0]).name}.log").open("ab")
        self.processes.append(subprocess.Popen(list(map(str, command)), stdout=log, stderr=log))

    def _peer(self, name, port):
        self._wait(name, port)
        self.peers.append(Peer(name, port, self.processes[-1]))

    def _wait(self, name, port):
        deadline = time.monotonic() + 20
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/1k", timeout=5) as answer:
                    if len(answer.read()) == SIZES["1k"]:
                        return
            except OSError as error:
                if time.monotonic() > deadline:
                    logs = "".join(p.read_text(errors="replace") for p in self.dir.glob("*.log"))
                    raise SystemExit(f"{name} does not answer: {error}\n{logs}") from error
            time.sleep(0.05)

    def __exit__(self, *_):
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
