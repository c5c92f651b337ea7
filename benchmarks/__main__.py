"""`python -m benchmarks NAME [--quick] [--rounds N] [--json | --markdown] [--plot FILE.svg]`: one comparison, printed.

Exits with 2 if a program that it needs is not installed, and names the package. All traffic stays on loopback or in
the network namespaces of this machine.
"""

import argparse
import importlib
import importlib.util
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.measuring.machine import describe_machine
from benchmarks.output.plots import encode_svg
from benchmarks.output.report import QUICK_ROUNDS, ROUNDS, BenchReport, Missing, Options
from benchmarks.output.tables import encode_markdown, encode_text, values_of

ROUNDS_LIMIT = 100  # hours of some benchmarks

# Each is a module of this package, or of `checks`, with `run(options) -> BenchReport`.
COMMANDS = {
    "check": "what one update check costs, against nginx, an aiohttp application and the bare floor",
    "check_tls": "the same over TLS 1.3: full handshakes, resumed sessions, kept connections",
    "reports": "what one reported event costs, against nginx with its access log and a bare append and sync",
    "telemetry": "what counting an event costs, beside append and sync, and taking it by HTTP, beside nginx's log",
    "check_offer": "the same for offers of 10 and of 300 files",
    "check_proxied": "checks and reports behind nginx and Caddy, against the node asked directly",
    "pieces": "where the time of one update check goes, step by step",
    "delivery": "what a GiB of bundle bytes costs, against nginx and aiohttp",
    "slow": "what 2,000 slow readers cost update checks",
    "scale": "1, 100 and 10,000 apps: a check, memory, load time, swaps under load",
    "capacity": "a plan for 1, 10 and 100 million devices, from measured figures and stated prices",
    "regions": "an origin and 20 regions: a release everywhere, bytes, cold start, catching up, the origin's cost",
    "day": "a simulated day of 10 million devices over 20 regions after a publish",
    "wan": "checks and updates over an emulated long link",
    "features": "all features of an app, beside an update check",
    "targeting": "what 20 segments and a rollout cost a check",
    "figures": "a day's figures in SQLite and in ClickHouse's engine: adding up, size, questions",
    "packing": "five published packages zipped by zlib and by the best deflate: bytes and seconds",
    "storm": "a fleet wakes after a publish, checks and downloads",
}


def main() -> int:
    words = _parser().parse_args()
    if (name := module_of(words.name)) is None:
        print(f"benchmarks: {words.name} is not part of this source tree", file=sys.stderr)
        return 2
    options = Options(
        quick=words.quick,
        pin=not words.no_pin,
        plot=words.plot is not None,
        cache_dir=words.cache_dir.absolute(),
        rounds=words.rounds or (QUICK_ROUNDS if words.quick else ROUNDS),
        settings=dict(words.settings),
    )
    options.cache_dir.mkdir(parents=True, exist_ok=True)
    machine, started = describe_machine(options.pin), time.monotonic()
    try:
        report: BenchReport = importlib.import_module(name).run(options)
    except Missing as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 2
    ran = {
        "command": " ".join(["python -m benchmarks", *sys.argv[1:]]),
        "rounds": str(options.rounds),
        "seconds": f"{time.monotonic() - started:.0f}",
    }
    _print(report, {**ran, **machine}, words)
    if words.plot and report.plot:
        words.plot.write_text(encode_svg(report.plot))
    return 0


def module_of(command: str) -> str | None:
    """The name of its module; None if it is not part of this source tree."""
    places = (f"benchmarks.{command}", f"benchmarks.checks.{command}")
    return next((place for place in places if importlib.util.find_spec(place) is not None), None)


def _parser() -> argparse.ArgumentParser:
    names = "\n".join(f"  {name:<10}{what}" for name, what in COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=f"{__doc__}\n\n{names}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", choices=COMMANDS, metavar="NAME")
    parser.add_argument("--quick", action="store_true", help="3 short rounds within a minute, to prove that it runs")
    parser.add_argument("--rounds", type=_count, metavar="N", help=f"instead of {ROUNDS}, or {QUICK_ROUNDS}")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--markdown", action="store_true")
    parser.add_argument(
        "--plot", type=Path, metavar="FILE.svg", help="also measure and draw the curve, if there is one"
    )
    parser.add_argument("--no-pin", action="store_true", help="let servers and load generators share all cores")
    parser.add_argument(
        "--set", dest="settings", type=_setting, action="append", default=[], metavar="NAME=VALUE", help="of a plan"
    )
    parser.add_argument("--cache-dir", type=Path, default=Path(tempfile.gettempdir()) / "edge-benchmarks")
    return parser


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text) <= ROUNDS_LIMIT:
        raise argparse.ArgumentTypeError(f"a whole number from 1 to {ROUNDS_LIMIT}")
    return int(text)


def _setting(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, value


def _print(report: BenchReport, circumstances: dict[str, str], words: argparse.Namespace) -> None:
    if words.json:
        document: dict[str, Any] = {"name": words.name, "compares": report.compares, "run": circumstances}
        print(json.dumps(document | {"tables": [values_of(table) for table in report.tables]}, indent=2))
        return
    encode = encode_markdown if words.markdown else encode_text
    bullet = "* " if words.markdown else "  "
    print(f"{report.compares}\n")
    print("\n".join(f"{bullet}{name}: {value}" for name, value in circumstances.items()))
    for table in report.tables:
        print(f"\n{encode(table)}")


if __name__ == "__main__":
    sys.exit(main())
