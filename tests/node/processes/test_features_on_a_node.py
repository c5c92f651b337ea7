"""Features on a real node: the published Python client reads them, streams tell of changes, records are kept."""

import asyncio
import json
import uuid
from contextlib import asynccontextmanager

import aiohttp
import pytest
from factories import APP, DEVICE, a_change
from features_asked import BULK_PATH, FEATURES, KEY, SERVER_KEY, a_key, setting
from node_world import PROMPT_SECONDS, a_config, a_truth, running
from openfeature import api
from openfeature.contrib.provider.ofrep import OFREPProvider
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import ErrorCode
from spooled import events_of, lines_of

from edge.domain.app_parts.stored_features import FeatureKind
from edge.domain.changes.commands import DeleteApp
from edge.domain.changes.features.feature_commands import (
    FeatureSettings,
    NewFeatureArm,
    SetFeature,
    StartFeatureExperiment,
    SwitchFeature,
)
from edge.domain.changes.features.feature_key_commands import RemoveFeatureKeys
from edge.telemetry.spool.app_records import UsedLine
from edge.telemetry.spool.record import parse_line
from edge.wire.actions import EXPERIMENT_OFFER

WITH_KEY = {"Authorization": f"Bearer {KEY}"}
ANDROID = {"context": {"targetingKey": DEVICE, "platform": "android"}}


@asynccontextmanager
async def a_node(folder, *commands):
    truth = a_truth(folder)
    for command in (*FEATURES, a_key(KEY), a_key(SERVER_KEY), *commands):
        truth.releases.commit(APP, a_change(command))
    async with (
        running(a_config(folder, workers=1), truth) as (supervisor, address),
        aiohttp.ClientSession(address) as session,
        asyncio.timeout(3 * PROMPT_SECONDS),
    ):

        async def change(command):
            await supervisor.announce(APP, truth.releases.commit(APP, a_change(command)).head)

        yield session, change, truth


async def bulk(session, headers=WITH_KEY, query="", context=ANDROID):
    async with session.post(BULK_PATH + query, json=context, headers=headers) as response:
        return response.status, response.headers, await response.json() if response.status != 304 else None


def origin_of(session):
    return str(session._base_url).rstrip("/")


def values(said):
    return {each["key"]: each.get("value") for each in said["flags"]}


async def stream_of(session, said, **options):
    path = said["eventStreams"][0]["endpoint"]["requestUri"]
    return await session.get(path, **options)


async def next_event(response):
    """The fields of the next event; comments and `retry` are skipped. None at the end."""
    fields = {}
    while line := (await response.content.readline()).decode():
        name, _, value = line.rstrip("\n").partition(": ")
        if "data" in fields and not name:
            return fields
        fields |= {name: value} if value else {}
    return None


async def test_the_published_python_client_reads_every_kind(tmp_path):
    async with a_node(tmp_path) as (session, _, _):
        client = await asyncio.to_thread(a_client, session, SERVER_KEY)
        android = EvaluationContext(DEVICE, {"platform": "android", "version_name": "2.1.0"})
        found = [
            await asyncio.to_thread(getattr(client, f"get_{kind}_details"), name, default, android)
            for kind, name, default in (
                ("boolean", "checkout", False),
                ("integer", "retries", 0),
                ("integer", "pool", 0),
                ("float", "price", 0.0),
                ("object", "layout", {}),
                ("boolean", "ended", False),
            )
        ]
        assert [each.error_code for each in found] == [None] * 6
        assert [each.value for each in found] == [True, 5, 5, 1.0, {"columns": [1, 2]}, True]
        assert [each.reason for each in found][-1] == "DISABLED"
        for name in ("nothing", "a/b", "a?b"):
            missing = await asyncio.to_thread(client.get_boolean_details, name, True, android)
            assert (missing.value, missing.error_code) == (True, ErrorCode.FLAG_NOT_FOUND), name
        for context, code in ((None, ErrorCode.TARGETING_KEY_MISSING), (EvaluationContext("user-7"), None)):
            drawn = await asyncio.to_thread(client.get_string_details, "colour", "red", context)
            assert drawn.error_code == code
        wrong = EvaluationContext(DEVICE, {"platform": 7})
        refused = await asyncio.to_thread(client.get_boolean_details, "checkout", False, wrong)
        assert (refused.error_code, "platform" in refused.error_message) == (ErrorCode.INVALID_CONTEXT, True)
        other = await asyncio.to_thread(a_client, session, "fs_revoked")
        lost = await asyncio.to_thread(other.get_integer_details, "pool", 9, android)
        assert (lost.value, lost.error_code) == (9, ErrorCode.GENERAL)


def a_client(session, key):
    address = f"{origin_of(session)}/features/{APP}"
    provider = OFREPProvider(address, headers_factory=lambda: {"Authorization": f"Bearer {key}"})
    api.set_provider_and_wait(provider, domain=key)
    return api.get_client(domain=key)


async def test_a_stream_tells_that_features_changed_and_of_nothing_else(tmp_path):
    async with a_node(tmp_path) as (session, change, _):
        _, _, said = await bulk(session)
        async with await stream_of(session, said) as stream:
            assert stream.headers["Content-Type"] == "text/event-stream"
            assert stream.headers["Access-Control-Allow-Origin"] == "*"
            await change(RemoveFeatureKeys(server=True))  # no feature's answer depends on it
            await change(SwitchFeature(name="checkout", on=False))
            event = await next_event(stream)
            told = json.loads(event["data"])
            assert told == {"type": "refetchEvaluation", "etag": event["id"]}
            status, _, after = await bulk(session, query=f"?flagConfigEtag={told['etag']}")
            assert status == 200
            assert (values(said)["checkout"], values(after)["checkout"]) == (True, False)


async def test_a_stream_that_comes_late_hears_at_once(tmp_path):
    async with a_node(tmp_path) as (session, change, _):
        _, _, said = await bulk(session)
        await change(SwitchFeature(name="checkout", on=False))
        async with await stream_of(session, said) as stream:
            first = await next_event(stream)
        async with await stream_of(session, said, headers={"Last-Event-ID": first["id"]}) as stream:
            await change(SwitchFeature(name="checkout", on=True))
            again = await next_event(stream)
        assert first["id"] != again["id"]


async def test_a_stream_needs_the_address_that_an_answer_named(tmp_path):
    async with a_node(tmp_path) as (session, change, _):
        _, _, said = await bulk(session)
        path = said["eventStreams"][0]["endpoint"]["requestUri"]
        for wrong in (path[:-1] + "_", path.partition("?")[0], path.replace(APP, "com.nobody"), path[:-9]):
            async with session.get(wrong) as response:
                assert response.status in (401, 404), wrong
                assert (await response.json())["errorCode"] == "GENERAL"
        async with session.get(path) as stream:
            await change(a_key("fk_" + "n" * 24))  # the former key has ended
            assert await next_event(stream) is None
        async with session.get(path) as response:
            assert response.status == 401


async def test_streams_end_when_the_node_leaves(tmp_path):
    async with aiohttp.ClientSession() as browser:
        async with a_node(tmp_path) as (session, _, _):
            _, _, said = await bulk(session)
            path = said["eventStreams"][0]["endpoint"]["requestUri"]
            stream = await browser.get(origin_of(session) + path)
            assert (await stream.content.readline()).startswith(b"retry: ")
        assert await next_event(stream) is None


async def test_a_change_shows_in_the_next_condition(tmp_path):
    async with a_node(tmp_path) as (session, change, _):
        _, headers, _ = await bulk(session)
        with_tag = WITH_KEY | {"If-None-Match": headers["ETag"]}
        assert (await bulk(session, with_tag))[0] == 304
        await change(SwitchFeature(name="ended", on=True))
        assert (await bulk(session, with_tag))[0] == 200


async def test_a_node_that_is_behind_waits_and_gives_nothing_older(tmp_path):
    async with a_node(tmp_path) as (session, change, truth):
        revision = truth.releases.heads()[APP].revision
        waiting = asyncio.create_task(bulk(session, query=f"?flagConfigEtag={revision + 1}-abc"))
        await change(SwitchFeature(name="checkout", on=False))
        status, _, said = await waiting
        assert (status, values(said)["checkout"]) == (200, False)
        status, headers, said = await bulk(session, query=f"?flagConfigEtag={revision + 99}-abc")
        assert (status, said["errorCode"]) == (503, "GENERAL")
        assert int(headers["Retry-After"]) >= 1
        status, _, _ = await bulk(session, {}, f"?flagConfigEtag={revision + 99}-abc")
        assert status == 401


@pytest.mark.parametrize("single", [False, True])
async def test_who_gets_a_noted_value_is_recorded_once(tmp_path, single):
    noted = SetFeature(name="checkout", settings=FeatureSettings(noted=True))
    async with a_node(tmp_path, noted) as (session, change, truth):
        path = f"{BULK_PATH}/checkout" if single else BULK_PATH
        for context in (ANDROID, ANDROID, {"context": {"targetingKey": "user-7", "platform": "android"}}):
            async with session.post(path, json=context, headers=WITH_KEY) as response:
                assert response.status == 200
        await change(setting("other", FeatureKind.BOOLEAN, True))
        async with session.post(path, json=ANDROID, headers=WITH_KEY) as response:
            assert response.status == 200
    lines = [parse_line(line) for line in lines_of(truth.spool_dir)]
    (used,) = [line.used for line in lines if isinstance(line, UsedLine)]
    assert (used.device, used.platform) == (DEVICE, "android")
    assert [(each.name, each.kind) for each in used.of] == [("checkout/rule-1", "exposure")]


async def test_which_arm_of_a_features_experiment_a_device_is_in_is_recorded_once(tmp_path):
    arms = tuple(
        NewFeatureArm(name=name, value=value, weight=50_000) for name, value in (("a", "true"), ("b", "false"))
    )
    trial = StartFeatureExperiment(feature="ended", name="which", arms=arms)
    async with a_node(tmp_path, SwitchFeature(name="ended", on=True), trial) as (session, _, truth):
        given = {}
        for number in (1, 2, 3, 1, 2, 3):
            device = str(uuid.UUID(int=number))
            _, _, said = await bulk(session, context={"context": {"targetingKey": device, "platform": "ios"}})
            (ended,) = [each for each in said["flags"] if each["key"] == "ended"]
            given[device] = ended["metadata"]["arm"]
            assert ended["variant"] == f"which/{ended['metadata']['arm']}"
    noted = [event for event in events_of(truth.spool_dir) if event["action"] == EXPERIMENT_OFFER]
    assert sorted(event["device"] for event in noted) == sorted(given)
    assert {event["device"]: event["metadata"]["arm"] for event in noted} == given
    assert {(event["metadata"]["channel"], event["metadata"]["experiment"]) for event in noted} == {
        ("feature:ended", "which")
    }


async def test_a_deleted_app_has_no_features_and_no_stream(tmp_path):
    async with a_node(tmp_path, RemoveFeatureKeys(), RemoveFeatureKeys(server=True)) as (session, change, _):
        status, _, said = await bulk(session, {})
        assert (status, len(said["flags"]) > 0) == (200, True)
        await change(DeleteApp(app=APP))
        status, _, gone = await bulk(session, {})
        assert (status, gone["errorCode"]) == (404, "GENERAL")
        async with await stream_of(session, said) as stream:
            assert stream.status == 404
