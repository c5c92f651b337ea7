"""What publishing the same app again costs: `python -m tests.drills.republish [--megabytes 12]`.

Starts a node, makes an app of real source text (Python's own library) and publishes it with the `edge` command: the
first time; unchanged under a new version; with one file changed; unchanged where this machine remembers nothing but the
node does (a fresh CI runner); and --fast. Prints wall and CPU seconds of the command, its children included, and of the
node. Exit code 1 when a promise does not hold: in CPU seconds on any machine, in wall seconds where nothing else runs.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

APP = "com.example.drill"
FILE_BYTES = 150_000
LARGE_BYTES = 1_000_000  # the file that changes: an app's main script
MB = 1_000_000


class Took(NamedTuple):
    what: str
    wall_seconds: float
    cpu_seconds: float
    node_cpu_seconds: float
    uploaded_bytes: int
    promised_seconds: float | None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=12)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        return _drill(Path(folder), options.megabytes * MB)


def _drill(folder: Path, app_bytes: int) -> int:
    web, environ = folder / "dist", _environ(folder)
    _write_app(web, app_bytes)
    command = [sys.executable, "-m", "edge", "serve", "--json"]
    with subprocess.Popen(command, env=environ, cwd=folder, stdout=subprocess.PIPE, text=True) as node:
        assert node.stdout is not None
        environ["EDGE_CONTROL_PORT"] = str(json.loads(node.stdout.readline())["control"])
        _edge(environ, "app", "create", APP)
        runs = [
            _publish("first time", node.pid, environ, web, "1.0.0"),
            _publish("unchanged, a new version", node.pid, environ, web, "1.0.1", promise=2.0),
        ]
        with (web / "large.js").open("ab") as file:
            file.write(b"// changed\n")
        runs += [
            _publish("one file of 1 MB changed", node.pid, environ, web, "1.0.2", promise=3.0),
            _publish("the same version again", node.pid, environ, web, "1.0.2", promise=2.0),
        ]
        shutil.rmtree(folder / "cache")
        runs.append(_publish("unchanged, no memory here", node.pid, environ, web, "1.0.3"))
        shutil.rmtree(folder / "cache")
        runs.append(_publish("--fast, no memory here", node.pid, environ, web, "1.0.4", "--fast"))
        node.send_signal(signal.SIGTERM)
    return _tell(runs)


def _environ(folder: Path) -> dict[str, str]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("EDGE_")}
    root = str(Path(__file__).parents[2])
    environ |= {"EDGE_DEVICES_PORT": "0", "EDGE_CONTROL_PORT": "0", "EDGE_DEVICES_WORKERS": "1", "PYTHONPATH": root}
    return environ | {"EDGE_DATA_DIR": str(folder / "data"), "EDGE_CACHE_DIR": str(folder / "cache")}


def _write_app(web: Path, app_bytes: int) -> None:
    web.mkdir()
    (web / "index.html").write_bytes(b"<!doctype html>")
    text, left = _text(app_bytes), app_bytes
    for number in range(app_bytes // FILE_BYTES + 1):
        piece = text[:LARGE_BYTES] if number == 0 else text[app_bytes - left : app_bytes - left + FILE_BYTES]
        if piece:
            (web / ("large.js" if number == 0 else f"chunk{number}.js")).write_bytes(piece)
        left -= len(piece)


def _text(size: int) -> bytes:
    text = b""
    for path in sorted(Path(sysconfig.get_paths()["stdlib"]).rglob("*.py")):
        text += path.read_bytes()
        if len(text) >= size:
            break
    return text[:size]


def _edge(environ: dict[str, str], *args: str) -> dict[str, object]:
    command = [sys.executable, "-m", "edge", *args, "--json"]
    done = subprocess.run(command, env=environ, check=True, stdout=subprocess.PIPE)
    answer: dict[str, object] = json.loads(done.stdout)
    return answer


def _publish(
    what: str, node: int, environ: dict[str, str], web: Path, version: str, *more: str, promise: float | None = None
) -> Took:
    before, node_before, begun = os.times(), _cpu_seconds(node), time.monotonic()
    answer = _edge(environ, "bundle", "publish", APP, str(web), "--version", version, *more)
    wall, after = time.monotonic() - begun, os.times()
    own = after.children_user + after.children_system - before.children_user - before.children_system
    uploaded = int(str(answer["uploaded_bytes"]))
    return Took(what, wall, own, _cpu_seconds(node) - node_before, uploaded, promise)


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _tell(runs: list[Took]) -> int:
    print(f"{'':28} {'wall s':>7} {'CPU s':>7} {'node CPU s':>11} {'sent MB':>8}  promise")
    broken, idle = False, os.getloadavg()[0] < (os.cpu_count() or 1)
    for run in runs:
        counted_seconds = max(run.cpu_seconds, run.wall_seconds) if idle else run.cpu_seconds
        kept = run.promised_seconds is None or counted_seconds <= run.promised_seconds
        broken |= not kept
        promise = "" if run.promised_seconds is None else f"<= {run.promised_seconds} s{'' if kept else ': BROKEN'}"
        print(
            f"{run.what:28} {run.wall_seconds:7.1f} {run.cpu_seconds:7.1f} {run.node_cpu_seconds:11.1f} "
            f"{run.uploaded_bytes / MB:8.1f}  {promise}".rstrip()
        )
    if not idle:
        print("others run on this machine: wall seconds do not count")
    return int(broken)


if __name__ == "__main__":
    sys.exit(main())
