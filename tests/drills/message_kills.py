"""The process that sends messages killed again and again while it sends: no device gets a message twice.

    python -m tests.drills.message_kills [--kills 100] [--devices 12000] [--seed N]

The real process, kept alive as a node keeps it, sends one message to every device through a receiver that counts. It
is killed with SIGKILL at random moments. In the end each device got it once at most; whoever did not get it, or may
not have, is among those that the outbox says are in doubt; and in doubt
is what was on the wire, or was about to be.
"""

import argparse
import asyncio
import os
import random
import signal
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from contextlib import closing, suppress
from pathlib import Path

from tests.worlds.places import ROOT

sys.path[:0] = [str(ROOT / "tests" / "worlds"), str(ROOT / "tests")]

from factories import APP, a_change  # noqa: E402
from node_world import a_truth  # noqa: E402
from push.webhook_double import PushReceiver  # noqa: E402
from telemetry_lines import write_segment  # noqa: E402

from edge.assembly.pushing.message_sending import MessageSending  # noqa: E402
from edge.assembly.pushing.sender_messages import SenderSetup  # noqa: E402
from edge.config import Log, PushOptions  # noqa: E402
from edge.control.push.push_credentials import AppCredentials  # noqa: E402
from edge.domain.changes.messages.message_commands import CreateMessage, NewMessageText  # noqa: E402
from edge.domain.statistics.device_key import device_key  # noqa: E402
from edge.node.processes.data_paths import DataPaths  # noqa: E402
from edge.push.outbox_schema import SendState  # noqa: E402
from edge.push.providers.credentials import encode_credentials, make_push_webhook  # noqa: E402
from edge.push.providers.webhook import AT_ONCE  # noqa: E402
from edge.telemetry.folding.fold import fold  # noqa: E402
from edge.telemetry.spool.push_records import PushRegistration, encode_push  # noqa: E402

PER_SECOND = 250.0  # so that each life sends a part
ABOUT_TO_BE = 8  # claimed in one transaction at this pace, and not written yet
LIFE_SECONDS = (0.02, 0.6)  # from the first attempt of a life to its end


def device_id(number: int) -> str:
    return f"{number:08x}-eefe-490a-9c60-8e965132ae51"


def register(truth, devices: int) -> None:
    now = time.time()
    records = (PushRegistration(APP, device_id(n), "webhook", f"t!{n}") for n in range(devices))
    truth.spool_dir.mkdir(parents=True, exist_ok=True)
    write_segment(truth.spool_dir, [encode_push(each, now) for each in records])
    fold(truth.spool_dir, truth.counts_database, now=now + 1)


async def drill(folder: Path, devices: int, kills: int, draw: random.Random) -> list[str]:
    """Faults."""
    receiver, truth = PushReceiver(), a_truth(folder)
    await receiver.start()
    credentials = make_push_webhook(receiver.url, allow_http=True, per_second=PER_SECOND)
    receiver.secret = credentials.secret
    register(truth, devices)
    command = CreateMessage(texts=(NewMessageText(title="Hello"),), when="now", expected=devices)
    truth.releases.commit(APP, a_change(command, at=time.time()))
    (message,) = truth.releases.load(APP).messages
    setup = SenderSetup(
        data_dir=str(folder),
        node=truth.node,
        log=Log(level="error"),
        push=PushOptions(allowed_networks=("127.0.0.1/32", "::1/128"), allow_http=True),
        spool_limit_bytes=1 << 30,
        facts_table=str(folder / "no table"),
    )
    told: list[str] = []

    async def post(notice):
        told.append(notice.title)

    sending = MessageSending(
        setup,
        truth.releases.heads,
        post,
        lambda app: AppCredentials({"webhook": encode_credentials(credentials)}, {}),
        truth.store,
        restart_seconds=(0,),
    )
    running = asyncio.create_task(sending.run())
    killed = 0
    try:
        while killed < kills and len(receiver.seen.taken) < devices - 200:
            receiver.seen.asked.clear()
            await asyncio.wait_for(receiver.seen.asked.wait(), 120)
            await asyncio.sleep(draw.uniform(*LIFE_SECONDS))
            pid = sending.pid
            if pid is not None:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                    killed += 1
                while sending.pid == pid:
                    await asyncio.sleep(0.005)
        found = await finished(sending, message)
    finally:
        running.cancel()
        await asyncio.wait({running})
        await receiver.close()
    outbox = DataPaths(folder).push_outbox
    return judge(receiver, found, devices, killed, told) + judge_doubt(outbox, receiver, devices, killed)


async def finished(sending: MessageSending, message: str) -> Counter[str]:
    """The states of all sends once none is open."""
    while True:
        listing = await sending.listing(APP)
        states = Counter[str]()
        for each in listing.messages:
            if each.message == message:
                for one in each.sends:
                    states[one.state] += one.n
        if states and not any(states[name] for name in ("planned", "later", "sending")):
            return states
        await asyncio.sleep(0.5)


def judge(receiver: PushReceiver, found: Counter[str], devices: int, killed: int, told: list[str]) -> list[str]:
    taken = receiver.seen.taken
    twice = [token for token, n in taken.items() if n > 1]
    print(f"{killed} kills; {len(taken)} of {devices} devices got it, {len(twice)} twice; states {dict(found)}")
    faults = list(receiver.seen.faults) + [f"{len(twice)} devices got it twice: {twice[:5]}"] * bool(twice)
    faults += [f"people were told {told}"] * bool(told)
    if sum(found.values()) != devices or set(found) - {"sent", "unknown"}:
        faults.append(f"states do not add up: {dict(found)}")
    if not found["sent"] <= len(taken) <= found["sent"] + found["unknown"]:
        faults.append(f"{len(taken)} got it, but {found['sent']} are sent and {found['unknown']} in doubt")
    return faults


def judge_doubt(outbox: Path, receiver: PushReceiver, devices: int, killed: int) -> list[str]:
    token_of = {device_key(APP, device_id(n)): f"t!{n}" for n in range(devices)}
    with closing(sqlite3.connect(outbox)) as file:
        rows = file.execute("SELECT key FROM sends WHERE state = ?", (SendState.UNKNOWN,)).fetchall()
    unseen = [key for (key,) in rows if token_of[key] not in receiver.seen.taken]
    print(f"{len(rows)} in doubt, {len(rows) / max(1, killed):.1f} a kill; {len(unseen)} of them did not arrive")
    faults = [f"{len(rows)} in doubt after {killed} kills"] * (len(rows) > killed * AT_ONCE)
    return faults + [f"{len(unseen)} in doubt were not on the wire"] * (len(unseen) > killed * ABOUT_TO_BE)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--devices", type=int, default=12_000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        faults = asyncio.run(drill(Path(folder), asked.devices, asked.kills, random.Random(asked.seed)))
    print("\n".join(faults) or "no device got a message twice")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
