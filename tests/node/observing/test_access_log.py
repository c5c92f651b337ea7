"""The access log: whole lines in batches, bounded, never in a request's way; and the counts beside it."""

import asyncio
import json
import os
import select
import threading
from contextlib import contextmanager

import aiohttp
import pytest
from factories import APP, DEVICE
from node_world import a_config, a_truth, check, publish, running

from edge.config import Config, Log
from edge.node.observing.access_log import BUFFER_LINES, AccessLog, Line, chunks_of, encode_json, encode_text
from edge.node.observing.counts import RequestCount
from edge.node.observing.traffic import (
    BUNDLES,
    CHANNEL_SELF,
    FEATURES,
    OTHER,
    PROBES,
    ROUTES,
    STATS,
    UPDATES,
    Traffic,
    route_of,
)

LINE = Line(1_700_000_000.25, "POST", "updates", 200, 312, 0.00042, "com.acme.app", "192.0.2.1")


def test_a_line_as_text_and_as_json():
    assert encode_text(LINE) == b"2023-11-14T22:13:20.250Z POST updates 200 312 0.42ms com.acme.app 192.0.2.1 -\n"
    assert encode_text(LINE._replace(app="", peer="", request_id="5f2b")).endswith(b" - - 5f2b\n")
    expected = {"time": 1_700_000_000.25, "name": "edge.access", "method": "POST", "route": "updates", "status": 200}
    expected |= {"bytes": 312, "ms": 0.42, "app": "com.acme.app", "peer": "192.0.2.1", "request": ""}
    assert json.loads(encode_json(LINE)) == expected


def test_writes_hold_whole_lines_and_stay_within_what_a_pipe_takes_at_once():
    lines = [b"x" * n + b"\n" for n in (10, select.PIPE_BUF - 12, 5, 700, select.PIPE_BUF - 1, 3)]
    chunks = list(chunks_of(lines))
    assert b"".join(chunks) == b"".join(lines)
    assert all(len(chunk) <= select.PIPE_BUF and chunk.endswith(b"\n") for chunk in chunks)
    assert len(chunks) == 4
    assert list(chunks_of([])) == []


def test_what_was_noted_is_written_by_the_time_it_is_closed():
    reader, writer = os.pipe()
    log = AccessLog("json", writer)
    for status in range(200, 300):
        log.note(LINE._replace(status=status))
    log.close()
    os.close(writer)
    with os.fdopen(reader) as file:
        assert [json.loads(line)["status"] for line in file] == list(range(200, 300))
    assert log.dropped == 0


def test_a_reader_that_is_stuck_costs_lines_and_no_time():
    reader, writer = os.pipe()
    log = AccessLog("text", writer)
    for _ in range(2 * BUFFER_LINES):  # a pipe holds 64 KiB, a tenth of a percent of this
        log.note(LINE)
    assert 0 < log.dropped <= BUFFER_LINES
    noted, received = 2 * BUFFER_LINES - log.dropped, bytearray()

    def read():
        while chunk := os.read(reader, 1 << 16):
            received.extend(chunk)

    reading = threading.Thread(target=read)
    reading.start()
    log.close(30)
    os.close(writer)
    reading.join()
    os.close(reader)
    assert received.count(b"\n") == noted  # every line is written or counted


def test_a_reader_that_left_is_counted():
    reader, writer = os.pipe()
    os.close(reader)
    log = AccessLog("text", writer)
    log.note(LINE)
    log.close()
    os.close(writer)
    assert log.dropped == 1


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/updates", UPDATES),
        ("/stats", STATS),
        ("/bundles/com.acme.app/zip/00", BUNDLES),
        ("/bundles/", BUNDLES),
        ("/channel_self", CHANNEL_SELF),
        ("/livez", PROBES),
        ("/features/com.acme.app/ofrep/v1/events", FEATURES),
        ("/features", OTHER),
        ("/updates/", OTHER),
        ("/wp-login.php", OTHER),
        ("", OTHER),
    ],
)
def test_every_path_has_one_of_few_routes(path, route):
    assert route_of(path) == route


def test_answers_are_counted_by_route_and_class():
    traffic = Traffic()
    for status, sent in ((200, 10), (204, 5), (304, 1), (404, 2), (599, 3), (100, 0)):
        traffic.note(BUNDLES, status, sent)
    traffic.note(len(ROUTES) - 1, 200, 7)
    assert traffic.requests() == [
        RequestCount("bundles", "1xx", 1),
        RequestCount("bundles", "2xx", 2),
        RequestCount("bundles", "3xx", 1),
        RequestCount("bundles", "4xx", 1),
        RequestCount("bundles", "5xx", 1),
        RequestCount("other", "2xx", 1),
    ]
    assert traffic.sent_bytes() == {"bundles": 21, "other": 7}


def test_checks_that_were_counted_without_a_call_are_counted_once():
    traffic = Traffic()
    traffic.note(UPDATES, 200, 8)
    traffic.checks, traffic.checks_bytes = 3, 30
    for _ in range(2):  # looking changes nothing
        assert traffic.requests() == [RequestCount("updates", "2xx", 4)]
        assert traffic.sent_bytes() == {"updates": 38}


@contextmanager
def inherited_errors():
    """Where standard error of every process started inside goes: a descriptor to read from."""
    reader, writer = os.pipe()
    kept = os.dup(2)
    os.dup2(writer, 2)
    os.close(writer)
    try:
        yield reader
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(reader)


async def lines_of(descriptor, count):
    """So many lines; ends by the test's own time if they never come."""
    got = b""
    while got.count(b"\n") < count:
        got += await asyncio.to_thread(os.read, descriptor, 1 << 16)
    return [json.loads(line) for line in got.splitlines()]


async def test_a_node_logs_every_door_and_counts_what_it_answered(tmp_path):
    truth = a_truth(tmp_path)
    publish(truth, "1.0.1")
    base = a_config(tmp_path, workers=1, trusted_proxies=("127.0.0.1",))
    config = Config(data_dir=base.data_dir, devices=base.devices, log=Log(access=True, format="json"))
    with inherited_errors() as reader:
        async with running(config, truth) as (supervisor, address), aiohttp.ClientSession() as session:
            offer = await check(session, address)
            through = {"X-Forwarded-For": "203.0.113.7, 198.51.100.9", "X-Request-Id": "5f2b"}
            async with session.get(offer["url"], headers=through) as response:
                body = await response.read()
            event = {
                "action": "set",
                "app_id": APP,
                "device_id": DEVICE,
                "platform": "android",
                "version_name": "1.0.1",
            }
            async with session.post(f"{address}/stats", json=event) as response:
                assert response.status == 200
            async with session.get(f"{address}/secret?token=abc", headers=through) as response:
                assert response.status == 404
            found = await lines_of(reader, 4)
            counts = (await supervisor.statuses())[0].counts.by_name()
    named = [(line["method"], line["route"], line["status"], line["app"], line["peer"]) for line in found]
    assert named == [
        ("POST", "updates", 200, APP, "127.0.0.1"),
        ("GET", "bundles", 200, APP, "198.51.100.9"),
        ("POST", "stats", 200, APP, "127.0.0.1"),
        ("GET", "other", 404, "", "198.51.100.9"),
    ]
    assert [line["request"] for line in found] == ["", "5f2b", "", "5f2b"]
    assert (counts["lane_checks"], counts["lane_reports"], counts["lane_deliveries"]) == (1, 1, 1)
    assert "abc" not in json.dumps(found) and DEVICE not in json.dumps(found)
    assert found[1]["bytes"] > len(body) and all(line["ms"] > 0 for line in found)
    assert counts["requests/updates/2xx"] == counts["requests/bundles/2xx"] == counts["requests/other/4xx"] == 1
    assert counts["sent_bytes/bundles"] == found[1]["bytes"] and counts["access_lines_dropped"] == 0


async def test_the_lane_logs_too(tmp_path):
    truth = a_truth(tmp_path)
    base = a_config(tmp_path, workers=1)
    config = Config(data_dir=base.data_dir, devices=base.devices, log=Log(access=True, format="json"))
    with inherited_errors() as reader:
        publish(truth, "1.0.1")
        async with running(config, truth) as (supervisor, address), aiohttp.ClientSession() as session:
            offer = await check(session, address)
            async with session.get(offer["url"]) as response:
                await response.read()
            found = await lines_of(reader, 2)
            counts = (await supervisor.statuses())[0].counts.by_name()
    assert [(line["route"], line["status"], line["app"]) for line in found] == [
        ("updates", 200, APP),
        ("bundles", 200, APP),
    ]
    assert (counts["lane_checks"], counts["lane_deliveries"], counts["lane_handed_over"]) == (1, 1, 0)
    assert counts["requests/updates/2xx"] == 1 and counts["sent_bytes/bundles"] == found[1]["bytes"]
