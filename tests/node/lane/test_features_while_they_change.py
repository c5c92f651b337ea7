"""Clients poll while an app's features change, end and go: each answer is one of the protocol's."""

import json

import pytest
from factories import APP
from features_asked import BULK_PATH, FEATURES, KEY, SERVER_KEY, a_context, a_features_snapshot, a_key
from test_lane import answers, doors, post, talk

from edge.domain.changes.features.feature_commands import (
    DeleteFeature,
    NewFeatureArm,
    SetFeature,
    StartFeatureExperiment,
    StopFeatureExperiment,
    SwitchFeature,
)
from edge.domain.changes.features.feature_key_commands import RemoveFeatureKeys
from edge.store.heads import Head

REASONS = {"STATIC", "TARGETING_MATCH", "SPLIT", "DISABLED", "UNKNOWN"}
CODES = {"PARSE_ERROR", "TARGETING_KEY_MISSING", "INVALID_CONTEXT", "FLAG_NOT_FOUND", "GENERAL"}
ARMS = tuple(NewFeatureArm(name=name, value=value, weight=50_000) for name, value in (("a", "true"), ("b", "false")))
ON = SwitchFeature(name="ended", on=True)
TRIAL = StartFeatureExperiment(feature="ended", name="which", arms=ARMS)
ENDED = StopFeatureExperiment(feature="ended", keep="b")
NAMES = sorted({each.name for each in FEATURES if isinstance(each, SetFeature)} - {"new-cart"})
ALL_GONE = tuple(DeleteFeature(name=name) for name in ("new-cart", *NAMES))  # first what needs another
CHANGES = {
    "an experiment": (ON, TRIAL),
    "it has ended": (ON, TRIAL, ENDED),
    "a feature is gone": (ON, TRIAL, ENDED, DeleteFeature(name="ended")),
    "one is killed": (SwitchFeature(name="checkout", on=False),),
    "no feature is left": ALL_GONE,
    "no key is needed": (RemoveFeatureKeys(), RemoveFeatureKeys(server=True)),
}


@pytest.fixture
async def both(tmp_path):
    async with doors(tmp_path) as opened:
        yield opened


class Client:
    """As published ones: it sends the tag that it has, and takes what it gets for what it knows from now on."""

    def __init__(self, key, context):
        self.key, self.context, self.tag, self.flags = key, context, "", None

    async def poll(self, port, path=BULK_PATH):
        headers = [b"X-API-Key: %s" % self.key.encode()] if self.key else []
        condition = [b"If-None-Match: %s" % self.tag.encode()] if self.tag else []
        asked = post(path, a_context(**self.context), *headers, *condition, b"Connection: close")
        ((line, fields, body),) = answers(await talk(port, asked))
        status, named = int(line.split()[1]), {name.decode(): value.decode() for name, value in fields}
        require_valid(status, named, body, self.tag)
        if status == 200 and path == BULK_PATH:
            self.tag, self.flags = named["etag"], json.loads(body)["flags"]
        return status


def require_valid(status, headers, body, tag):
    """By the protocol, and by what published clients need beyond it."""
    assert headers["access-control-allow-origin"] == "*" and "no-store" in headers["cache-control"]
    if status == 304:
        assert (body, headers["etag"]) == (b"", tag)
        return
    assert headers["content-type"] == "application/json"
    said = json.loads(body)
    if status == 200:
        for each in said.get("flags", [said]):
            if "errorCode" in each:
                assert each.keys() == {"key", "errorCode", "errorDetails"} and each["errorCode"] in CODES
            else:
                assert {"key", "variant", "reason", "metadata"} <= each.keys() and each["reason"] in REASONS
        assert "flags" not in said or headers["etag"]
        return
    assert status in (400, 401, 404, 429, 503)
    assert said["errorCode"] in CODES and said["errorDetails"]


async def test_each_answer_is_one_of_the_protocols(both):
    current, revision = both.shared.service.current, 100
    clients = [
        Client(KEY, {"platform": "android"}),
        Client(SERVER_KEY, {"platform": "android"}),
        Client("", {"key": None}),
        Client(KEY, {"platform": "ios", "key": "user-7"}),
    ]

    async def poll_all():
        statuses = set()
        for client in clients:
            for port in (both.lane, both.plain, both.lane, both.lane):
                for path in (BULK_PATH, f"{BULK_PATH}/ended", f"{BULK_PATH}/colour"):
                    statuses.add(await client.poll(port, path))
        return statuses

    for name, commands in {"at first": (), **CHANGES}.items():
        revision += 1
        current.swap([a_features_snapshot(a_key(KEY), a_key(SERVER_KEY), *commands, revision=revision)])
        assert {200, 304} <= await poll_all(), name
        asked = {each["key"] for each in clients[0].flags}
        assert (name == "a feature is gone") <= ("ended" not in asked) and (name == "no feature is left") == (not asked)
    await deleted(current, revision + 1)
    assert await poll_all() == {404}


async def deleted(current, revision):
    """As a worker hears of it: the head first, then what is left of the app."""
    current.learn({APP: Head(revision, "0" * 64, deleted=True)})
    current.swap([a_features_snapshot(*ALL_GONE, revision=revision)])
