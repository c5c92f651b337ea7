"""An experiment on a real node: each arm gets its bundle, and which arm a device is in is in the spool, once."""

import asyncio
import hashlib
import time
import uuid

import aiohttp
from factories import APP, a_bundle, a_change
from node_world import PROMPT_SECONDS, a_config, a_truth, info, publish, running, upload
from spooled import events_of

from edge.domain.buckets import bucket_of
from edge.domain.changes.commands import NewArm, PublishBundle, StartExperiment
from edge.telemetry.folding.counts import read_counts
from edge.telemetry.folding.fold import fold
from edge.wire.actions import EXPERIMENT_OFFER

DEVICES = [str(uuid.UUID(int=number)) for number in range(20)]


def with_an_experiment(truth) -> None:
    publish(truth, "1.0.1")
    upload(truth, "1.0.2")
    bundle = a_bundle("1.0.2", zip=hashlib.sha256(b"zip 1.0.2").hexdigest())
    truth.releases.commit(APP, a_change(PublishBundle(bundle=bundle)))
    arms = (NewArm(name="old", bundle="1.0.1", weight=50_000), NewArm(name="new", bundle="1.0.2", weight=50_000))
    command = StartExperiment(channel="production", name="colour", arms=arms)
    truth.releases.commit(APP, a_change(command, id="salt-of-colour"))


def arm_of(device: str) -> str:
    return "old" if bucket_of(f"experiment\0{APP}\0salt-of-colour\0".encode(), device) < 50_000 else "new"


async def test_devices_that_run_their_arms_bundle_already_count_as_well(tmp_path):
    """Eight devices of the control arm, which all have its bundle, ask three times: eight, not none and not 24."""
    truth = a_truth(tmp_path)
    with_an_experiment(truth)
    control = [device for device in (str(uuid.UUID(int=number)) for number in range(40)) if arm_of(device) == "old"][:8]
    async with running(a_config(tmp_path), truth) as (_, address), aiohttp.ClientSession() as session:
        for device in control * 3:
            async with session.post(
                f"{address}/updates", json=info(device_id=device, version_name="1.0.1")
            ) as response:
                assert (await response.json())["error"] == "no_new_version_available"
    noted = [event for event in events_of(truth.spool_dir) if event["action"] == EXPERIMENT_OFFER]
    assert sorted(event["device"] for event in noted) == sorted(control)
    assert {(event["metadata"]["arm"], event["version"]) for event in noted} == {("old", "1.0.1")}
    fold(truth.spool_dir, tmp_path / "counts.sqlite", now=time.time())
    assert read_counts(tmp_path / "counts.sqlite", APP) == [("1.0.1", EXPERIMENT_OFFER, "android", 8)]


async def test_the_arm_goes_into_the_spool_with_the_first_offer(tmp_path):
    truth = a_truth(tmp_path)
    with_an_experiment(truth)
    versions = {"old": "1.0.1", "new": "1.0.2"}
    async with running(a_config(tmp_path), truth) as (supervisor, address), aiohttp.ClientSession() as session:

        async def check(device: str) -> dict:
            async with session.post(f"{address}/updates", json=info(device_id=device)) as response:
                return await response.json()

        for device in DEVICES:
            assert (await check(device))["version"] == versions[arm_of(device)]
        async with asyncio.timeout(PROMPT_SECONDS):  # the offers reach the table of facts in batches
            while not all(supervisor.facts_of(APP, device).offered for device in DEVICES):
                await asyncio.sleep(0.02)
        for device in DEVICES:
            await check(device)
    offers = [event for event in events_of(truth.spool_dir) if event["action"] == EXPERIMENT_OFFER]
    assert sorted((event["device"], event["metadata"]["arm"]) for event in offers) == [
        (device, arm_of(device)) for device in DEVICES
    ]
    assert all(event["version"] == versions[event["metadata"]["arm"]] for event in offers)
    assert {event["metadata"]["experiment"] for event in offers} == {"colour"}
