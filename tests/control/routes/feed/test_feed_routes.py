"""What a follower reads over the control port, and what it cannot."""

import base64
import hashlib
import os

import msgspec
import pytest
from control_world import APP, pack

from edge.control.routes.feed.documents import KNOWN_LIMIT
from edge.store.heads import shard_of
from edge.store.objects.port import TOKENS_KEY, blob_key, head_key

LARGE = os.urandom(3_000_000)
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


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"known": []},
        {"known": {"a": 1}},
        {"known": {str(n): "" for n in range(KNOWN_LIMIT + 1)}},
        {"known": {"k" * 200: ""}},
        {"known": {"k": "t" * 200}},
        {"known": {}, "more": 1},
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
    large = os.urandom(1) * 40_000_000
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
