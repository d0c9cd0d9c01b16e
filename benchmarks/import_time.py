"""The time that `import qutiperf` adds to a new interpreter; prints one JSON object, fails above 0.1 s.

    python benchmarks/import_time.py [--repeats 10]

The smallest of the repeats counts: an import has no fast outliers. `measure` is the time of the first use of
`qutiperf.measure`, which loads everything that measuring needs, after the import.
"""

import argparse
import json
import subprocess
import sys

LIMIT_S = 0.1
_CODE = """
import time
started = time.perf_counter()
import qutiperf
imported = time.perf_counter()
qutiperf.measure
print(imported - started, time.perf_counter() - imported)
"""


def times_s() -> tuple[float, float]:
    """Seconds of the import, and of the first use of a name, in a new interpreter."""
    done = subprocess.run([sys.executable, "-c", _CODE], capture_output=True, text=True, check=True)
    imported, used = map(float, done.stdout.split())
    return imported, used


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--repeats", type=int, default=10)
    repeats = parser.parse_args().repeats
    imports, uses = zip(*(times_s() for _ in range(repeats)), strict=True)
    result = {"import_s": round(min(imports), 5), "measure_s": round(min(uses), 3), "limit_s": LIMIT_S}
    print(json.dumps(result))
    return int(min(imports) > LIMIT_S)


if __name__ == "__main__":
    sys.exit(main())
