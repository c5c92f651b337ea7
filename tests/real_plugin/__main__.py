"""The published plugin as a judge: releases × suites on a node of ours, a table at the end.

With `--node region` releases change on an origin, and devices know a region alone that follows it.

    python -m tests.real_plugin                                    every line, every suite
    python -m tests.real_plugin --lines "8.51.23 7.36.1" --suites "quiet names"
    python -m tests.real_plugin --node region --lines 8.51.23 --suites stale

Exit code 1 if any cell is red, 2 if a release could not be built.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from edge.domain.model import Platform
from tests.real_plugin.catalog import SUITES, suites_of
from tests.real_plugin.cell import Line
from tests.real_plugin.lines import CI_LINES, LINES, find_line
from tests.real_plugin.matrix import Matrix
from tests.real_plugin.world import WORLDS

HERE = Path(__file__).parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", default="", help="releases, separated by spaces; ci: those of .ci/run; all without")
    parser.add_argument("--suites", default="", help=f"of {', '.join(SUITES)}; all without")
    parser.add_argument(
        "--node", choices=sorted(WORLDS), default="standalone", help="what devices talk to (standalone)"
    )
    parser.add_argument("--logs", type=Path, help="folder for what the clients said; kept where a cell is red")
    parser.add_argument("--at-once", type=int, default=4, help="cells at a time (4); a launch mostly waits")
    words = parser.parse_args()
    lines = CI_LINES if words.lines == "ci" else [find_line(each) for each in words.lines.split()] or LINES
    there = suites_of(words.node)
    suites = words.suites.split() or there
    unknown = sorted(set(suites) - set(there))
    if unknown:
        parser.error(f"no such suite of a {words.node} node: {', '.join(unknown)}; there are {', '.join(there)}")
    build(lines)
    logs = words.logs or Path(tempfile.mkdtemp(prefix="edge-real-plugin-logs."))
    logs.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, WORLDS[words.node](Path(folder)) as world:
        matrix = Matrix(world, logs, words.at_once)
        matrix.run(lines, {name: SUITES[name] for name in suites})
    matrix.show(lines, suites)
    sys.exit(1 if matrix.red else 0)


def build(lines: Sequence[Line]) -> None:
    """Exits with 2 where a release cannot be built; the scripts have told why."""
    for platform, script in ((Platform.ANDROID, "build.sh"), (Platform.ELECTRON, "electron/build.sh")):
        releases = [line.release for line in lines if line.platform is platform]
        if releases and subprocess.run([str(HERE / script), *releases], check=False).returncode:
            sys.exit(2)


if __name__ == "__main__":
    main()
