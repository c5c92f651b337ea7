"""Run one scenario: `python -m loadtests NAME [--host URL] [--users N] [--run-time S] [...]`.

    python -m loadtests steady_day                                    starts a node, 20 users, 20 seconds
    python -m loadtests publish_storm --users 200 --run-time 2m       the same, larger
    EDGE_TOKEN=... python -m loadtests steady_day --host http://192.0.2.1:8080 --control http://192.0.2.1:8081

Publishes what the devices need through the control API, then runs locust headless in another process. Options unknown
here (`--csv run`, `--master --expect-workers 2`) go to locust. Exits with locust's code: 1 if a limit in
`thresholds.toml` was exceeded.
"""

import argparse
import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from edge.cli.terminal.client import ControlClient
from edge.domain.errors import EdgeError
from loadtests.own_node import OwnNode, forget_pages, own_node
from loadtests.world import prepare

SCENARIOS = Path(__file__).parent / "scenarios"
NAMES = sorted(path.stem for path in SCENARIOS.glob("[a-z]*.py"))
FORGET_SECONDS = 1.0  # between two evictions that keep the cache cold


def parse(words: list[str]) -> tuple[argparse.Namespace, list[str]]:
    parser = argparse.ArgumentParser(
        prog="python -m loadtests", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", choices=NAMES)
    parser.add_argument("--host", help="device address of a running node; default: start one")
    parser.add_argument("--control", default=os.environ.get("EDGE_URL", ""), help="its control API (EDGE_URL)")
    parser.add_argument("--users", type=int, default=20, help="streams of arriving devices, two per second each")
    parser.add_argument("--run-time", default="20s", help="20s, 5m, 1h")
    return parser.parse_known_args(words)


@contextlib.contextmanager
def node_to_load(words: argparse.Namespace) -> Iterator[OwnNode]:
    if not words.host:
        with own_node() as node:
            yield node
        return
    token = os.environ.get("EDGE_TOKEN", "")
    if not (words.control and token):
        raise SystemExit("--host needs --control (EDGE_URL) and EDGE_TOKEN, to publish what the devices need")
    yield OwnNode(words.host.rstrip("/"), words.control, token, Path())


@contextlib.contextmanager
def forgetting_pages(data_dir: Path) -> Iterator[None]:
    """Keep the node's blobs out of the page cache while the block runs. Raises RuntimeError if there are none."""
    if not forget_pages(data_dir):
        raise RuntimeError(f"no blobs below {data_dir}")
    done = threading.Event()

    def forget() -> None:
        while not done.wait(FORGET_SECONDS):
            forget_pages(data_dir)

    thread = threading.Thread(target=forget)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def run(words: argparse.Namespace, more: list[str]) -> int:
    with contextlib.ExitStack() as stack:
        node = stack.enter_context(node_to_load(words))
        client = stack.enter_context(contextlib.closing(ControlClient(node.control, node.token)))
        for made in prepare(client, words.name):
            print(f"{made.app} {made.version} {made.outcome}", file=sys.stderr)
        if words.name == "cold_cache" and not words.host:
            stack.enter_context(forgetting_pages(node.data_dir))
        command = [
            *(sys.executable, "-m", "locust", "-f", str(SCENARIOS / f"{words.name}.py"), "--host", node.host),
            *("--headless", "--users", str(words.users), "--spawn-rate", str(max(1, words.users))),
            *("--run-time", words.run_time, "--only-summary", *more),
        ]
        return subprocess.run(command, env=os.environ | {"EDGE_URL": node.control, "EDGE_TOKEN": node.token}).returncode


def main() -> int:
    words, more = parse(sys.argv[1:])
    try:
        return run(words, more)
    except EdgeError as error:
        print(f"loadtests: {error}", file=sys.stderr)
    except RuntimeError as error:
        print(f"loadtests: {error}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
