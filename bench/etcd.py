"""One etcd server, and keys put into it by the thousand."""

import base64
import json
import urllib.request

from parts import need

# In one transaction; the server's own limit is raised to this.
MOST = 5000


class Etcd:
    def __init__(self, parts):
        client, peer = (f"http://127.0.0.1:{parts.port()}" for _ in range(2))
        self.url = client
        parts.start(
            "etcd", need("etcd"), "--name", "bench", "--data-dir", parts.dir / "etcd",
            "--listen-client-urls", client, "--advertise-client-urls", client,
            "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
            "--initial-cluster", f"bench={peer}", "--max-txn-ops", MOST,
            # Whoever measures the proxy does not measure the disk.
            "--unsafe-no-fsync", ETCD_MAX_REQUEST_BYTES=str(16 << 20),
        )
        parts.answers("etcd", int(client.rpartition(":")[2]), "/health")

    def put(self, pairs):
        """Puts keys, as many at a time as one transaction takes; returns the last revision."""
        puts = [{"requestPut": {"key": code(key), "value": code(value)}} for key, value in pairs]
        for at in range(0, len(puts), MOST):
            answer = self._post("/v3/kv/txn", {"success": puts[at : at + MOST]})
        return answer["header"]["revision"]

    def first(self, prefix, end):
        """The first key from `prefix` to `end`, and its value."""
        range = {"key": code(prefix), "range_end": code(end), "limit": 1}
        [found] = self._post("/v3/kv/range", range)["kvs"]
        return tuple(base64.b64decode(found[part]).decode() for part in ("key", "value"))

    def _post(self, path, message):
        body = json.dumps(message).encode()
        with urllib.request.urlopen(self.url + path, body, timeout=60) as answer:
            return json.load(answer)


def code(text):
    return base64.b64encode(text.encode()).decode()
