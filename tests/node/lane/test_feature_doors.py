"""Features through both doors: the lane answers what apps send all day, and aiohttp the same, and the rest."""

import json

import pytest
from factories import DEVICE, NOW
from features_asked import BASE_PATH, BULK_PATH, KEY, PUBLIC, SERVER_KEY, a_context, a_features_snapshot, a_key
from test_lane import answers, ask_both, doors, get, post, talk

from edge.domain.changes.features.feature_commands import SwitchFeature
from edge.domain.changes.features.feature_key_commands import RemoveFeatureKeys
from edge.wire.ofrep.context import CONTEXT_LIMIT_BYTES

OTHER_KEY = "fk_" + "o" * 24
WITH_KEY = b"Authorization: Bearer %s" % KEY.encode()
CHROMIUM_ASKS = (
    b"Origin: https://localhost",
    b"Access-Control-Request-Method: POST",
    b"Access-Control-Request-Headers: authorization,content-type,if-none-match",
)
ANDROID = a_context(platform="android")


def bulk(body: bytes = ANDROID, *headers: bytes, query: str = "", key: bytes = WITH_KEY) -> bytes:
    return post(BULK_PATH + query, body, *([key] if key else []), *headers)


ALIKE = {
    "all features": bulk(),
    "all features, by the other header": bulk(key=b"x-api-key: %s" % KEY.encode()),
    "compressed": bulk(ANDROID, b"Accept-Encoding: gzip"),
    "without a targeting key": bulk(a_context(None)),
    "without a context": bulk(b"{}"),
    "by a server": bulk(key=b"Authorization: Bearer %s" % SERVER_KEY.encode()),
    "without a key": bulk(key=b""),
    "a key of nobody": bulk(key=b"Authorization: Bearer fk_nobody"),
    "credentials of a proxy": bulk(ANDROID, b"X-API-Key: %s" % KEY.encode(), key=b"Authorization: Basic YTpi"),
    "no JSON": bulk(b"{"),
    "a number for a platform": bulk(a_context(platform=7)),
    "a body too large": bulk(b" " * (CONTEXT_LIMIT_BYTES + 1)),
    "an app of nobody": post("/features/com.nobody/ofrep/v1/evaluate/flags", ANDROID, WITH_KEY),
    "an odd app": post("/features/-/ofrep/v1/evaluate/flags", ANDROID, WITH_KEY),
    "what a browser asks before": get(BULK_PATH, *CHROMIUM_ASKS, method=b"OPTIONS"),
    "what a browser asks before one": get(f"{BULK_PATH}/colour", *CHROMIUM_ASKS, method=b"OPTIONS"),
    "two pipelined": bulk() + bulk(),
    "asked to close": bulk(ANDROID, b"Connection: close"),
    "chunked": b"POST %s HTTP/1.1\r\nHost: x\r\n%s\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
    % (BULK_PATH.encode(), WITH_KEY),
    "one feature": post(f"{BULK_PATH}/colour", ANDROID, WITH_KEY),
    "one of nobody": post(f"{BULK_PATH}/nothing", ANDROID, WITH_KEY),
    "one for servers": post(f"{BULK_PATH}/pool", ANDROID, WITH_KEY),
    "a hint that is known": bulk(query="?flagConfigEtag=7-abc"),
    "another query": bulk(query="?a=b"),
    "nowhere": post(f"{BASE_PATH}/configuration", b"{}", WITH_KEY),
    "another method": get(BULK_PATH),
}
IN_THE_LANE = {
    *("all features", "all features, by the other header", "compressed", "without a targeting key", "by a server"),
    *("without a key", "a key of nobody", "what a browser asks before", "two pipelined", "asked to close"),
    *("a hint that is known", "another query", "no JSON", "without a context", "a number for a platform"),
    *("credentials of a proxy", "what a browser asks before one"),
}


@pytest.fixture
async def both(tmp_path):
    async with doors(tmp_path) as opened:
        snapshot = a_features_snapshot(a_key(KEY), a_key(SERVER_KEY))
        opened.shared.service.current.swap([snapshot])
        yield opened


async def test_both_doors_answer_alike(both):
    for name, stream in ALIKE.items():
        await ask_both(both, stream)  # what is asked with again is remembered from then on
        lane, plain = await ask_both(both, stream)
        assert lane == plain, name
        assert lane, name
    assert both.shared.bugs == 0


async def test_the_lane_answers_what_clients_send_all_day(both):
    for name, stream in ALIKE.items():
        before = both.shared.handed_over
        closing = b"" if b"Connection: close" in stream else bulk(ANDROID, b"Connection: close")
        said = await talk(both.lane, stream + closing)
        assert said, name
        assert (both.shared.handed_over == before) == (name in IN_THE_LANE), name


async def test_what_is_found_by_a_few_look_ups_is_what_was_decided(both):
    """Whoever asks, and however often; a client that has the answer gets none."""
    features = both.shared.service.features
    asked = [
        (context, key)
        for context in (a_context("user-7", platform="ios"), a_context(DEVICE.upper(), platform="ios"), ANDROID)
        for key in (KEY, SERVER_KEY)
    ]

    def streams():
        for context, key in asked:
            yield bulk(context, b"Connection: close", key=b"X-API-Key: %s" % key.encode())

    first = [await ask(both, stream) for stream in streams()]
    for _ in range(6):
        before = features.quick.given
        assert [await ask(both, stream) for stream in streams()] == first
    assert features.quick.given == before + len(asked)
    for stream, (_, headers, _) in zip(streams(), first, strict=True):
        with_tag = stream.replace(b"\r\n\r\n", b"\r\nIf-None-Match: %s\r\n\r\n" % headers["etag"].encode())
        assert (await ask(both, with_tag))[0] == 304
    assert features.quick.given == before + 2 * len(asked)


async def test_a_changed_feature_and_a_removed_key_are_in_effect_at_the_next_request(both):
    service = both.shared.service
    stream = bulk(ANDROID, b"Connection: close")
    for _ in range(6):
        before = await ask(both, stream)
    assert service.features.quick.given
    service.current.swap([a_features_snapshot(a_key(KEY), SwitchFeature(name="checkout", on=False), revision=101)])
    assert [json.loads(each[2])["flags"][0]["value"] for each in (before, await ask(both, stream))] == [True, False]
    service.current.swap([a_features_snapshot(a_key(KEY), RemoveFeatureKeys(), a_key(SERVER_KEY), revision=102)])
    assert (await ask(both, stream))[0] == 401
    service.current.swap([a_features_snapshot(a_key(KEY), a_key(OTHER_KEY, 60), revision=103)])
    service.moments.tick(NOW)
    for _ in range(6):
        assert (await ask(both, stream))[0] == 200
    service.moments.tick(NOW + 61)
    assert (await ask(both, stream))[0] == 401


async def ask(both, stream):
    """Status, headers and body of the one answer."""
    ((status, headers, body), *_) = answers(await talk(both.lane, stream))
    return int(status.split()[1]), {name.decode(): value.decode() for name, value in headers}, body


async def test_an_answer_is_what_the_published_clients_need(both):
    status, headers, body = await ask(both, bulk(ANDROID, b"Connection: close"))
    said = json.loads(body)
    assert status == 200
    assert [each["key"] for each in said["flags"]] == list(PUBLIC)
    assert all({"key", "value", "variant", "reason", "metadata"} == each.keys() for each in said["flags"])
    assert said["metadata"] == {}
    assert headers["content-type"] == "application/json"
    assert headers["cache-control"] == "private, no-store"
    assert headers["access-control-allow-origin"] == "*"
    assert {"ETag", "Retry-After"} <= set(headers["access-control-expose-headers"].split(", "))
    (stream,) = said["eventStreams"]
    assert stream["type"] == "sse" and stream["endpoint"]["requestUri"].startswith(f"{BASE_PATH}/events?token=")
    assert b'"value":1.0' in body and b'"value":3' in body


@pytest.mark.parametrize("weak", [b"", b"W/"])
async def test_a_client_that_has_the_answer_gets_none(both, weak):
    _, headers, _ = await ask(both, bulk(ANDROID, b"Connection: close"))
    etag = headers["etag"].encode()
    status, again, body = await ask(both, bulk(ANDROID, b"If-None-Match: %s%s" % (weak, etag), b"Connection: close"))
    assert (status, body, again["etag"]) == (304, b"", headers["etag"])
    assert again["access-control-allow-origin"] == "*" and "ETag" in again["access-control-expose-headers"]
    assert "content-length" not in again


async def test_the_tag_of_another_context_is_not_this_ones(both):
    """A client sends the old tag with the new context of the same targeting key."""
    _, headers, _ = await ask(both, bulk(ANDROID, b"Connection: close"))
    etag = headers["etag"].encode()
    other = a_context(platform="ios", plan="pro")
    status, _, body = await ask(both, bulk(other, b"If-None-Match: %s" % etag, b"Connection: close"))
    assert status == 200
    assert json.loads(body)["flags"][0] | {"metadata": {}} == {
        "key": "checkout",
        "value": False,
        "variant": "default",
        "reason": "TARGETING_MATCH",
        "metadata": {},
    }


async def test_preflight_allows_what_clients_send(both):
    stream = get(BULK_PATH, *CHROMIUM_ASKS, b"Connection: close", method=b"OPTIONS")
    status, headers, body = await ask(both, stream)
    assert (status, body) == (204, b"")
    allowed = {each.strip().lower() for each in headers["access-control-allow-headers"].split(",")}
    assert {"content-type", "if-none-match", "authorization", "x-api-key"} <= allowed
    assert "POST" in headers["access-control-allow-methods"] and headers["access-control-allow-origin"] == "*"


async def test_overload_tells_clients_when_to_come_again(both):
    both.shared.service.overload.in_progress = 1_000
    status, headers, body = await ask(both, bulk(ANDROID, b"Connection: close"))
    assert status == 429 and int(headers["retry-after"]) >= 1
    assert json.loads(body)["errorCode"] == "GENERAL"
    assert "Retry-After" in headers["access-control-expose-headers"]


async def test_a_context_is_in_no_log(both, caplog):
    secret = "mail@example.com"
    for body in (
        a_context(secret, mail=secret),
        a_context(secret, platform=[secret]),
        b'{"context":"%s' % secret.encode(),
    ):
        _, _, said = await ask(both, bulk(body, b"Connection: close"))
        assert secret.encode() not in said
    assert secret not in caplog.text
