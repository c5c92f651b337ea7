"""Messages to the doubles of all push providers: `python -m tests.drills.push_million [--messages N] [--only fcm …]`.
With `--outbox` all the way: registrations are folded, planned and sent from the outbox.

Each double is a process that checks protocol, signature, encryption and size of every message. One in a hundred devices
is dead, one in two hundred for later, one in five hundred refused. Printed for each provider: messages a second, CPU a
message of the sender, its memory at a tenth and at the end, and whether every count is exact on both ends. Exit code 1
if a count is not, or if memory grows.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import uvloop

from edge.domain.pushing.payload import ProviderKind, PushPayload, PushTarget, PushVerdict
from edge.messages.addresses import parse_networks
from edge.push.outbox_schema import SendState
from edge.push.providers.apple.apns import ApnsProvider
from edge.push.providers.browsers.webpush import WebPushProvider
from edge.push.providers.credentials import (
    PER_SECOND_LIMIT,
    make_push_webhook,
    make_webpush,
    parse_apns_key,
    parse_fcm_file,
)
from edge.push.providers.google.fcm import FcmProvider
from edge.push.providers.port import PushProvider
from edge.push.providers.posting import PostingRules
from edge.push.providers.webhook import PushWebhookProvider
from tests.drills.push_outbox import OutboxRun

WORLDS = Path(__file__).parent.parent / "worlds"
GROWTH_LIMIT_MB = 20  # beyond a tenth of the way: nothing is kept of a message that is over
KINDS = [each.value for each in ProviderKind]
MESSAGE = PushPayload(message_id="drill", title="An offer", body="For you, until Sunday.", data={"screen": "offers/17"})


class Way(NamedTuple):
    """A provider on its double, and the token of a device: by its fate and its number."""

    provider: PushProvider
    token: Callable[[str, int], str]


class Double:
    """A process."""

    def __init__(self, kind: str, folder: Path) -> None:
        paths = os.pathsep.join([str(WORLDS), *sys.path])
        command = [sys.executable, str(WORLDS / "push" / "serving.py"), kind, str(folder)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": paths}
        )
        self.told = self._line()

    def report(self, said: str = "") -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{said}\n")
        self._process.stdin.flush()
        return self._line()

    def close(self) -> None:
        self._process.communicate(timeout=30)

    def _line(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        found: dict[str, Any] = json.loads(self._process.stdout.readline())
        return found


def way_of(kind: str, double: Double) -> Way:
    told, local = double.told, parse_networks(["127.0.0.1", "::1"])
    rules = PostingRules(local, told["ca_file"])
    match kind:
        case "fcm":
            account = parse_fcm_file(json.dumps(told["account"]), (told["url"].removeprefix("https://"),))
            return Way(FcmProvider(account, rules, told["url"]), lambda fate, number: f"{fate}!{number}")
        case "apns":
            key = parse_apns_key(
                told["p8"], key_id="ABC123DEFG", team="DEF123GHIJ", topic="com.example.app", sandbox=False
            )
            digits = {"fine": "0", "dead": "d", "later": "e", "ours": "f"}
            return Way(ApnsProvider(key, rules, told["url"]), lambda fate, number: f"{digits[fate]}{number:063x}")
        case "webpush":
            vapid = make_webpush("mailto:drill@example.com")
            made = told["subscriptions"]

            def subscription(fate: str, number: int) -> str:
                text: str = made[number % len(made)]
                browser = f"b{number % len(made)}" if fate == "fine" else fate
                return text.replace(f"/push/b{number % len(made)}", f"/push/{browser}!{number}")

            return Way(WebPushProvider(vapid, rules, (told["url"].removeprefix("https://"),)), subscription)
        case "webhook":
            receiver = make_push_webhook(told["url"], allow_http=False, per_second=PER_SECOND_LIMIT)
            double.report(receiver.secret)
            provider = PushWebhookProvider(receiver, rules, "com.example.app")
            return Way(provider, lambda fate, number: f"{fate}!{number}")
    raise ValueError(kind)


def fate_of(number: int) -> str:
    """Of a device, by its number."""
    if number % 100 == 50:
        return "dead"
    if number % 200 == 20:
        return "later"
    return "ours" if number % 500 == 10 else "fine"


VERDICTS = {
    "fine": PushVerdict.SENT,
    "dead": PushVerdict.DEAD,
    "later": PushVerdict.LATER,
    "ours": PushVerdict.OURS,
}


async def send_all(way: Way, count: int, memory: dict[int, float]) -> Counter[PushVerdict]:
    """As many at once as the provider takes; `memory` gets the sender's megabytes after a tenth and at the end."""
    found, numbers = Counter[PushVerdict](), iter(range(count))
    done = 0

    async def work(numbers: Iterator[int]) -> None:
        nonlocal done
        for number in numbers:
            target = PushTarget(ProviderKind.FCM, way.token(fate_of(number), number))
            attempt = await way.provider.send(target, MESSAGE, time.time())
            found[attempt.verdict] += 1
            done += 1
            if done in (max(count // 10, 1), count):
                memory[done] = _memory_mb()

    async with asyncio.TaskGroup() as tasks:
        for _ in range(way.provider.at_once):
            tasks.create_task(work(numbers))
    await way.provider.close()
    return found


def run(kind: str, count: int) -> bool:
    """Whether all is as it has to be."""
    with tempfile.TemporaryDirectory() as folder:
        double = Double(kind, Path(folder))
        memory: dict[int, float] = {}
        way, before = way_of(kind, double), time.process_time()
        theirs_before, began = double.report()["cpu_seconds"], time.monotonic()
        found = uvloop.run(send_all(way, count, memory))
        took, used = time.monotonic() - began, time.process_time() - before
        seen = double.report()
        double.close()
    wanted = Counter(VERDICTS[fate_of(number)] for number in range(count))
    exact = (
        found == wanted and seen["requests"] == count and seen["taken"] == seen["devices"] == wanted[PushVerdict.SENT]
    )
    growth = memory[count] - memory[max(count // 10, 1)]
    theirs = (seen["cpu_seconds"] - theirs_before) / count * 1e6
    print(
        f"{kind:8} {count:>9,} in {took:6.1f} s = {count / took:7,.0f}/s; CPU {used / count * 1e6:4.0f} µs a message, "
        f"the double {theirs:4.0f} µs; memory {memory[count]:.0f} MB, {growth:+.1f} MB since a tenth; "
        + ", ".join(f"{verdict.value} {number:,}" for verdict, number in sorted(found.items(), key=str))
        + ("; exact" if exact else f"; NOT EXACT: {seen}, wanted {dict(wanted)}"),
        flush=True,
    )
    for each in seen["faults"]:
        print(f"  the double found: {each}")
    return exact and not seen["faults"] and growth <= GROWTH_LIMIT_MB


def run_all_the_way(kind: str, count: int) -> bool:
    """Whether all is as it has to be."""

    def fate(number: int) -> str:
        return "fine" if fate_of(number) == "later" else fate_of(number)

    with tempfile.TemporaryDirectory() as folder:
        double = Double(kind, Path(folder))
        way = way_of(kind, double)
        before = double.report()["cpu_seconds"]
        print(f"{kind}, {count:,} devices", flush=True)
        path = Path(folder) / "node"
        path.mkdir()
        outbox_run = OutboxRun(path, ProviderKind(kind), count, way.token)
        outbox_run.register(fate)
        found = uvloop.run(outbox_run.send(way.provider))
        seen = double.report()
        double.close()
    fates = Counter(fate(number) for number in range(count))
    states = {"fine": SendState.SENT, "dead": SendState.DEAD, "ours": SendState.FAILED}
    wanted = Counter({states[each]: n for each, n in fates.items()})
    faults = [*outbox_run.faults, *seen["faults"]]
    faults += [f"the outbox has {dict(found)}, not {dict(wanted)}"] * (found != wanted)
    faults += [f"{outbox_run.dead} dead tokens were told"] * (outbox_run.dead != fates["dead"])
    faults += [f"the double has {seen}"] * (not seen["requests"] == count == seen["taken"] + count - fates["fine"])
    theirs = (seen["cpu_seconds"] - before) / count * 1e6
    print(f"  the double {theirs:.0f} µs a device; " + ("; ".join(faults) or "exact"))
    return not faults


def _memory_mb() -> float:
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--only", choices=KINDS, nargs="+", default=KINDS)
    parser.add_argument("--outbox", action="store_true", help="registrations, plan and outbox as well")
    options = parser.parse_args()
    run_one = run_all_the_way if options.outbox else run
    found = [run_one(kind, options.messages) for kind in options.only]
    return int(not all(found))


if __name__ == "__main__":
    raise SystemExit(main())
