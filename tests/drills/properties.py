"""New examples for every property: `python -m tests.drills.properties [--rounds N]`.

`make test` draws the same examples each time, so that it judges the change and not the day. This draws others: each
round has seeds of its own, and prints what reproduces a failure.
"""

import argparse
import subprocess
import sys

SEARCH = ("-m", "hypothesis", "--hypothesis-profile=search", "-n", "2", "--dist", "loadfile")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.drills.properties", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="how often to draw the examples of every property")
    rounds = parser.parse_args().rounds
    for number in range(1, rounds + 1):
        print(f"round {number} of {rounds}", flush=True)
        code = subprocess.run([sys.executable, "-m", "pytest", *SEARCH], check=False).returncode
        if code:
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main())
