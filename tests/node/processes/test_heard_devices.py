"""A real node of two workers: what they heard and delivered is in the spool when they have left, and adds up."""

import asyncio
import uuid
from collections import Counter

import aiohttp
from factories import APP
from node_world import a_config, a_truth, info, publish, running
from telemetry_lines import stored
from test_experiment_offers import arm_of, with_an_experiment

from edge.domain.statistics.device_key import device_key
from edge.telemetry.spool.record import DeliveredLine, HeardLine, parse_line

DEVICES = [str(uuid.UUID(int=number)) for number in range(30)]


def lines_of(truth, kind):
    return [line for line in map(parse_line, stored(truth.spool_dir)) if isinstance(line, kind)]


def key_of(device):
    return device_key(APP, device).to_bytes(8, "little", signed=True)


async def ask(session, address, device, **fields):
    async with session.post(
        f"{address}/updates", json=info(device_id=device, **fields), headers={"Connection": "close"}
    ) as response:
        return await response.json()


async def test_every_check_is_counted_once_whichever_worker_answered_it(tmp_path):
    truth = a_truth(tmp_path)
    with_an_experiment(truth)
    async with running(a_config(tmp_path), truth) as (_, address), aiohttp.ClientSession() as session:
        for _ in range(3):
            await asyncio.gather(*(ask(session, address, device) for device in DEVICES))
    lines = lines_of(truth, HeardLine)
    checks, devices = Counter(), {}
    for count in (count for line in lines for count in line.heard.of):
        arm = count.cohort.group.arm
        checks[arm, count.code] += count.n
        keys = [count.devices[at : at + 8] for at in range(0, len(count.devices), 8)]
        devices.setdefault(arm, set()).update(keys)
        assert count.cohort.group[:2] == ("android", "production") and count.cohort.os == "14"
    arms = {f"salt-of-colour/{arm}": [each for each in DEVICES if arm_of(each) == arm] for arm in ("old", "new")}
    assert checks == {(arm, "offer"): 3 * len(its) for arm, its in arms.items()}
    assert devices == {arm: {key_of(each) for each in its} for arm, its in arms.items()}
    named = [(line.heard.stream, line.heard.sequence) for line in lines]
    assert len(set(named)) == len(named) and {line.heard.app for line in lines} == {APP}
    assert not any(
        device.encode() in line for device in DEVICES for line in stored(truth.spool_dir) if b'"heard"' in line
    )


async def test_what_devices_downloaded_is_counted_by_bundle(tmp_path):
    truth = a_truth(tmp_path)
    publish(truth, "1.0.1")
    async with running(a_config(tmp_path), truth) as (_, address), aiohttp.ClientSession() as session:
        offer = await ask(session, address, DEVICES[0])
        size = 0
        for _ in range(4):
            async with session.get(offer["url"], headers={"Connection": "close"}) as response:
                size += len(await response.read())
    counts = [count for line in lines_of(truth, DeliveredLine) for count in line.delivered.of]
    assert {(count.bundle, count.form, count.encoding, count.cut) for count in counts} == {
        ("1.0.1", "zip", "identity", 0)
    }
    assert (sum(count.complete for count in counts), sum(count.bytes for count in counts)) == (4, size)
