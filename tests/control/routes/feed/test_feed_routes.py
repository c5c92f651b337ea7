"""What a follower reads over the control port, and what it cannot."""

import asyncio
import base64
import hashlib
import os
import random

import msgspec
import pytest
from control_world import APP, pack

from edge.control.routes.feed.documents import KNOWN_LIMIT
from edge.store.heads import shard_of
from edge.store.objects.port import TOKENS_KEY, blob_key, head_key

LARGE = random.Random(1).randbytes(3_000_000)  # the same in every process: test ids have its digest
DIGEST = hashlib.sha256(LARGE).hexdigest()


async def get(api, path, by="node", **headers):
    headers |= {"Authorization": f"Bearer {api.secrets[by]}"} if by else {}
    async with api.client.get(path, headers=headers) as response:
        return response.status, response.headers, await response.read()


async def test_documents_are_given_as_they_are_signed(acme, world):
    answer = await acme("POST", "/v1/feed/documents", {"known": {}}, by="node")
    found = {each["key"]: base64.b64decode(each["content"]) for each in answer["documents"]}
    assert found[head_key(shard_of(APP))] == world.store.get(head_key(shard_of(APP))).data
    assert found[TOKENS_KEY] == world.store.get(TOKENS_KEY).data and "keys/writers.json" in found


async def test_known_documents_are_not_given_again(acme):
    answer = await acme("POST", "/v1/feed/documents", {"known": {}}, by="node")
    known = {each["key"]: each["tag"] for each in answer["documents"]}
    assert await acme("POST", "/v1/feed/documents", {"known": known}, by="node") == {"documents": []}


async def test_what_a_newer_follower_says_more_is_skipped(acme):
    answer = await acme("POST", "/v1/feed/documents", {"known": {}, "more": 1}, by="node")
    assert answer == await acme("POST", "/v1/feed/documents", {"known": {}}, by="node")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"known": []},
        {"known": {"a": 1}},
        {"known": {str(n): "" for n in range(KNOWN_LIMIT + 1)}},
        {"known": {"k" * 200: ""}},
        {"known": {"k": "t" * 200}},
    ],
)
async def test_a_wrong_list_of_known_documents_is_refused(acme, body):
    assert await acme("POST", "/v1/feed/documents", body, by="node", status=422) == "invalid_body"


async def test_a_huge_list_is_refused_before_it_is_read(acme):
    known = msgspec.json.encode({"known": {str(n): "t" * 64 for n in range(100_000)}})
    assert await acme("POST", "/v1/feed/documents", content=known, by="node", status=413) == "body_too_large"


@pytest.mark.parametrize("by", ["publisher", "reader", "uploader", "reporter", "reader-acme"])
async def test_other_tokens_follow_nothing(acme, by):
    assert await acme("POST", "/v1/feed/documents", {"known": {}}, by=by, status=403) == "forbidden"
    status, _, _ = await get(acme, f"/v1/feed/blobs/{DIGEST}", by=by)
    assert status == 403


@pytest.mark.parametrize("start", [0, 1, 1_500_000, len(LARGE) - 1])
async def test_a_blob_is_given_from_any_byte_on(acme, world, start):
    world.store.create(blob_key(DIGEST), LARGE)
    status, headers, content = await get(acme, f"/v1/feed/blobs/{DIGEST}", Range=f"bytes={start}-")
    assert content == LARGE[start:] and status == (206 if start else 200)
    assert headers["ETag"] == f'"{DIGEST}"'
    assert not start or headers["Content-Range"] == f"bytes {start}-{len(LARGE) - 1}/{len(LARGE)}"


async def test_a_connection_goes_on_after_a_blob(acme, world):
    world.store.create(blob_key(DIGEST), LARGE)
    for _ in range(3):
        assert (await get(acme, f"/v1/feed/blobs/{DIGEST}"))[2] == LARGE
        assert await acme("POST", "/v1/feed/documents", {"known": {}}, by="node")


@pytest.mark.parametrize("ranged", ["bytes=-5", "bytes=0-5", "bytes=1-2,4-5", "bytes", "lines=1-", "bytes=١-"])
async def test_any_other_range_is_not_looked_at(acme, world, ranged):
    world.store.create(blob_key(DIGEST), LARGE)
    status, _, content = await get(acme, f"/v1/feed/blobs/{DIGEST}", Range=ranged)
    assert (status, len(content)) == (200, len(LARGE))


@pytest.mark.parametrize("start", [len(LARGE), 10**14])
async def test_a_range_beyond_the_blob_is_refused(acme, world, start):
    world.store.create(blob_key(DIGEST), LARGE)
    status, _, content = await get(acme, f"/v1/feed/blobs/{DIGEST}", Range=f"bytes={start}-")
    assert status == 422 and msgspec.json.decode(content)["error"] == "invalid_range"


async def test_an_empty_blob_is_given(acme, world):
    digest = hashlib.sha256(b"").hexdigest()
    world.store.create(blob_key(digest), b"")
    assert (await get(acme, f"/v1/feed/blobs/{digest}"))[::2] == (200, b"")


async def test_a_blob_that_is_not_there_or_damaged_is_missing(acme, world):
    status, _, content = await get(acme, f"/v1/feed/blobs/{DIGEST}")
    assert status == 404 and msgspec.json.decode(content)["error"] == "missing_blob"
    world.store.create(blob_key(DIGEST), LARGE[:-1] + b"?")
    await world.prover.prove_all([DIGEST], APP)
    status, _, content = await get(acme, f"/v1/feed/blobs/{DIGEST}")
    assert status == 404 and b"are wrong" in content


@pytest.mark.parametrize(
    "name", ["..", "%2e%2e%2fheads%2f0.json", "..%2F..%2Fnode%2Fwriter.key", DIGEST.upper(), DIGEST[:-1], "%00" * 32]
)
async def test_nothing_but_a_digest_names_a_file(acme, name):
    status, _, content = await get(acme, f"/v1/feed/blobs/{name}")
    assert status in (404, 422) and msgspec.json.decode(content)["error"] in ("invalid_digest", "not_found")


async def test_a_follower_that_leaves_early_holds_nothing(acme, world):
    large = os.urandom(1) * 8_000_000
    digest = hashlib.sha256(large).hexdigest()
    world.store.create(blob_key(digest), large)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(10):
        headers = {"Authorization": f"Bearer {acme.secrets['node']}"}
        async with acme.client.get(f"/v1/feed/blobs/{digest}", headers=headers) as response:
            await response.content.readexactly(1000)
            response.close()
    await acme.client.close()
    await acme.client.server.close()
    assert len(os.listdir("/proc/self/fd")) <= before


async def test_a_bundle_that_is_published_can_be_followed(acme):
    packed = pack(page="1.0.0")
    await acme.publish("1.0.0", packed)
    for digest, content in packed.blobs.items():
        assert (await get(acme, f"/v1/feed/blobs/{digest}"))[2] == content


async def revisions(api, path, status):
    found, _, content = await get(api, f"/v1/feed/apps/{path}")
    assert found == status
    return msgspec.json.decode(content)["error"]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("", "invalid_until"),
        (f"until=1{'0' * 20}&digest={DIGEST}", "invalid_until"),
        (f"until=0&digest={DIGEST}", "invalid_until"),
        ("until=1", "invalid_until"),
        ("until=1&digest=..", "invalid_digest"),
        (f"until=1&digest={DIGEST}&after=1", "invalid_after"),
        (f"until=1&digest={DIGEST}&after=-1", "invalid_after"),
    ],
)
async def test_a_wrong_question_for_revisions_is_refused(acme, query, code):
    assert await revisions(acme, f"{APP}/revisions?{query}", 422) == code


@pytest.mark.parametrize("app", ["..", "%2e%2e", "a%2Fb", "..%2F..%2Fkeys", "a" * 300])
async def test_nothing_but_an_app_names_revisions(acme, app):
    status, _, _ = await get(acme, f"/v1/feed/apps/{app}/revisions?until=1&digest={DIGEST}")
    assert status in (404, 422)


async def test_a_revision_that_is_not_there_is_said_to_be_so(acme):
    assert await revisions(acme, f"{APP}/revisions?until=9&digest={DIGEST}", 404) == "missing_object"


async def test_a_publish_announces_its_blobs_before_the_head_moves(acme, world):
    await acme("POST", f"/v1/apps/{APP}/channels", {"name": "production"})
    packed, before = pack(page="1.0.0"), world.releases.head(APP)
    with world.feed.events.subscribed() as subscription:
        heard = []
        tell = subscription.tell
        subscription.tell = lambda event: (heard.append((event, world.releases.head(APP))), tell(event))
        await acme.publish("1.0.0", packed, channel="production")
    ((coming, head),) = heard
    assert head == before and coming.app == APP
    assert dict(coming.blobs) == {digest: len(content) for digest, content in packed.blobs.items()}
    assert coming.blobs[0][0] == packed.manifest


async def test_a_bundle_is_announced_when_it_is_published_and_when_a_channel_is_to_offer_it(acme, world):
    await acme("POST", f"/v1/apps/{APP}/channels", {"name": "production"})
    with world.feed.events.subscribed() as subscription:
        await acme.publish("1.0.0")
        (published,) = await subscription.next(0)
        assert len(published.blobs) == 4, "regions have its bytes by the time that a channel offers it"
        await acme("PATCH", f"/v1/apps/{APP}/channels/production", {"bundle": "1.0.0"})
        assert await subscription.next(0) == [published]
        await acme("PATCH", f"/v1/apps/{APP}/channels/production", {"public": True})
        await acme("PATCH", f"/v1/apps/{APP}/channels/production", {"bundle": "builtin"})
        assert await subscription.next(0) == []


async def test_a_dry_run_announces_nothing(acme, world):
    await acme("POST", f"/v1/apps/{APP}/channels", {"name": "production"})
    packed = pack(page="1.0.0")
    await acme.upload(packed)
    body = {"version": "1.0.0", "zip": packed.zip, "manifest": packed.manifest, "channel": "production"}
    with world.feed.events.subscribed() as subscription:
        await acme("POST", f"/v1/apps/{APP}/bundles?dry_run=true", body, headers={}, status=200)
        assert await subscription.next(0) == []


def listening(api, by="node"):
    headers = {"Authorization": f"Bearer {api.secrets[by]}"}
    return api.client.get("/v1/feed/events", headers=headers)


async def test_events_end_with_their_token(acme, world):
    world.feed.events.heartbeat_seconds = 0.01
    async with listening(acme) as response:
        assert response.content_type == "text/event-stream"
        assert await response.content.readexactly(6) == b":\n\n:\n\n"
        await acme("DELETE", "/v1/tokens/node")
        await response.content.read()
    assert not world.feed.events.is_heard


async def test_events_end_with_their_token_while_there_is_always_news(acme, world):
    world.feed.events.heartbeat_seconds = 0.2
    async with listening(acme) as response:
        await acme("DELETE", "/v1/tokens/node")
        while not response.content.at_eof():
            world.feed.events.tell_coming(APP, [(DIGEST, 1)])
            await response.content.readany()
    assert not world.feed.events.is_heard


async def test_a_follower_that_reads_nothing_is_let_go(acme, world):
    world.feed.events.send_seconds = 0.01
    blobs = [(f"{number:064x}", 1) for number in range(2_000)]
    async with listening(acme):
        assert world.feed.events.is_heard
        while world.feed.events.is_heard:
            world.feed.events.tell_coming(APP, blobs)
            await asyncio.sleep(0)


async def test_a_follower_that_leaves_is_forgotten(acme, world):
    async with listening(acme) as response:
        response.close()
    while world.feed.events.is_heard:
        world.feed.events.tell_coming(APP, [(DIGEST, 1)])
        await asyncio.sleep(0)
