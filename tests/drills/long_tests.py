"""The tests that the gate leaves out for their length: `python -m tests.drills.long_tests`.

They are marked `long`, each beside a shorter one of the same behaviour: every step at which a publish can be killed,
the commands of every document, asyncio's half of the tests of whole nodes and of the control API. CI runs them, four at
a time: they wait for other processes more than they compute.
"""

import subprocess
import sys

LONG = ("-m", "long", "-n", "4", "--dist", "loadfile")


def main() -> int:
    return subprocess.run([sys.executable, "-m", "pytest", *LONG], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
