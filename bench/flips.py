"""How late flips are under load, and what clients see of them: bench-flips does it, on etcd."""

import json
import subprocess
import sys


def run(field, count):
    print(f"flips: {count} of them", file=sys.stderr)
    # It starts a proxy of its own, the one beside it.
    command = [field.program("bench-flips"), str(count)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1800)
    if not done.stdout.startswith("{"):
        raise SystemExit(f"bench-flips: code {done.returncode}\n{done.stdout}{done.stderr}")
    return json.loads(done.stdout)
