"""How late flips are under load, and what clients see of them: bench-flips does it, on etcd."""

import json
import sys


def run(field, count):
    print(f"flips: {count} of them", file=sys.stderr)
    # It starts an etcd and a proxy of its own.
    field.parts.start("flips", field.program("bench-flips"), count)
    # Code 1 says that requests failed, and so do the figures.
    return json.loads(field.parts.finish("flips", within=1800, codes=(0, 1)))
