"""Id sets over HTTP: a list of ids becomes one blob of hashes that a revision names, or nothing is stored at all."""

import random
import time
import uuid

import pytest
from control_world import APP, DEVICE, digest

from edge.domain.changes.segments import ID_SET_LIMIT
from edge.domain.targeting.id_sets import IDS_LIMIT, IDS_TEXT_LIMIT_BYTES, encode_id_set, parse_id_set
from edge.store.objects.fs import FsStore
from edge.store.objects.port import blob_key

ID_SETS, SEGMENTS = f"/v1/apps/{APP}/id-sets", f"/v1/apps/{APP}/segments"
LIST = f"# who asked for it\nanna\r\n  bert \n\n{DEVICE.upper()}\nanna\n{DEVICE}\n".encode()


def blobs(world):
    return [*world.store.keys("blobs/")]


async def test_a_list_is_accepted_and_each_id_counts_once(acme, world):
    made = await acme("PUT", f"{ID_SETS}/vip", content=LIST)
    blob = encode_id_set(["bert", "anna", DEVICE])
    assert made == {"app": APP, "revision": 2, "changed": True, "name": "vip", "ids": 3, "blob": digest(blob)}
    assert world.store.path(blob_key(made["blob"])).read_bytes() == blob
    shown = {"name": "vip", "ids": 3, "blob": made["blob"]}
    assert await acme("GET", f"{ID_SETS}/vip") == shown and await acme("GET", ID_SETS) == [shown]
    assert world.scratch_files() == []


async def test_the_same_ids_in_any_order_change_nothing(acme):
    first = await acme("PUT", f"{ID_SETS}/vip", content=b"anna\nbert")
    again = await acme("PUT", f"{ID_SETS}/vip", content=b"bert\r\nanna\r\nbert\r\n")
    assert again == first | {"changed": False}
    other = await acme("PUT", f"{ID_SETS}/vip", content=b"carl")
    assert (other["changed"], other["ids"], other["revision"]) == (True, 1, 3)


async def test_a_list_needs_no_content_length(acme):
    async def pieces():
        for piece in (b"an", b"na\nbe", b"rt\n"):
            yield piece

    assert (await acme("PUT", f"{ID_SETS}/vip", content=pieces()))["ids"] == 2


REFUSED = [
    (b"", "invalid_ids"),
    (b"\n# nobody\n\n", "invalid_ids"),
    (b"anna\n" + b"x" * 37, "invalid_ids"),
    (b"anna\nb\xff", "invalid_ids"),
    (b"an\x07na\n", "invalid_ids"),
]


@pytest.mark.parametrize(("content", "code"), REFUSED)
async def test_a_list_that_is_refused_leaves_nothing(acme, world, content, code):
    assert await acme("PUT", f"{ID_SETS}/vip", content=content, status=422) == code
    assert (blobs(world), world.scratch_files(), await acme("GET", ID_SETS)) == ([], [], [])


async def test_a_refusal_names_the_line(acme):
    headers = {"Authorization": f"Bearer {acme.secrets['root']}"}
    async with acme.client.put(f"{ID_SETS}/vip", data=b"anna\n" + b"x" * 37, headers=headers) as response:
        assert (await response.json())["message"] == "line 2: the id has 37 characters; the limit is 36"


async def test_too_much_is_refused_before_it_is_read(acme, world):
    headers = {"Content-Length": str(IDS_TEXT_LIMIT_BYTES + 1)}
    assert await acme("PUT", f"{ID_SETS}/vip", content=b"x", headers=headers, status=413) == "body_too_large"
    assert (blobs(world), world.scratch_files()) == ([], [])


async def test_one_id_too_many_is_refused(acme, world):
    assert await acme("PUT", f"{ID_SETS}/vip", content=b"x\n" * (IDS_LIMIT + 1), status=422) == "invalid_ids"
    assert (blobs(world), world.scratch_files()) == ([], [])


async def test_a_set_beyond_the_limit_is_refused_without_a_trace(acme, world):
    for number in range(ID_SET_LIMIT):
        await acme("PUT", f"{ID_SETS}/s{number}", content=b"anna")
    before = blobs(world)
    assert await acme("PUT", f"{ID_SETS}/more", content=b"new", status=409) == "too_many_id_sets"
    assert await acme("PUT", f"{ID_SETS}/-x", content=b"new", status=422) == "invalid_id_set_name"
    assert blobs(world) == before
    assert (await acme("PUT", f"{ID_SETS}/s0", content=b"new"))["changed"]


async def test_a_set_that_a_segment_uses_is_replaced_but_not_deleted(acme):
    await acme("PUT", f"{ID_SETS}/vip", content=b"anna")
    await acme("PATCH", f"{SEGMENTS}/vip", {"where": 'in_set("vip")'})
    assert (await acme("PUT", f"{ID_SETS}/vip", content=b"bert"))["changed"]
    assert await acme("DELETE", f"{ID_SETS}/vip", status=409) == "id_set_in_use"
    await acme("DELETE", f"{SEGMENTS}/vip")
    assert (await acme("DELETE", f"{ID_SETS}/vip"))["changed"]
    assert await acme("GET", f"{ID_SETS}/vip", status=404) == "unknown_id_set"


async def test_an_upload_needs_change_access_to_the_app(acme, world):
    await acme("PUT", f"{ID_SETS}/vip", content=b"anna", by="publisher-acme")
    before = blobs(world)
    for by in ("reader", "reader-acme", "publisher-other", "node"):
        assert await acme("PUT", f"{ID_SETS}/vip", content=b"bert", by=by, status=403) == "forbidden"
        assert await acme("DELETE", f"{ID_SETS}/vip", by=by, status=403) == "forbidden"
    assert blobs(world) == before
    assert (await acme("GET", f"{ID_SETS}/vip", by="reader-acme"))["ids"] == 1


async def test_a_set_whose_bytes_were_lost_is_named(acme, world):
    made = await acme("PUT", f"{ID_SETS}/vip", content=b"anna")
    world.store.path(blob_key(made["blob"])).unlink()
    asked = {"app_id": APP, "device_id": DEVICE, "platform": "ios", "version_build": "1.0.0", "version_name": "1.0.0"}
    body = {"device": asked | {"plugin_version": "8.51.14"}, "where": 'in_set("vip")'}
    assert await acme("POST", f"{SEGMENTS}/x/test", body, status=503) == "missing_blob"


class Watched(FsStore):
    """Keeps the keys of what was read whole."""

    def __init__(self, root):
        super().__init__(root)
        self.read = []

    def get(self, key):
        self.read.append(key)
        return super().get(key)


async def test_a_trial_maps_its_sets_and_reads_none_into_memory(serve, world):
    """A hundred full ones would be 800 MB for one reader's request."""
    store = Watched(world.store.root)
    api = await serve(store=store)
    await api("POST", "/v1/apps", {"app": APP})
    made = await api("PUT", f"{ID_SETS}/vip", content=b"anna")
    asked = {"app_id": APP, "device_id": DEVICE, "platform": "ios", "version_build": "1.0.0", "version_name": "1.0.0"}
    body = {"device": asked | {"plugin_version": "8.51.14", "custom_id": "anna"}, "where": 'in_set("vip")'}
    assert (await api("POST", f"{SEGMENTS}/x/test", body))["matches"]
    assert blob_key(made["blob"]) not in store.read


async def test_a_long_list_is_small_and_quick_to_look_up_in(acme, world):
    """What `python -m tests.drills.id_set_scale` measures with a million."""
    noise = random.Random(7)
    ids = [str(uuid.UUID(int=noise.getrandbits(128))) for _ in range(50_000)]
    made = await acme("PUT", f"{ID_SETS}/crowd", content="\n".join(ids).encode())
    blob = world.store.path(blob_key(made["blob"])).read_bytes()
    assert made["ids"] == 50_000 and len(blob) <= 10 * 50_000
    held = parse_id_set(blob)
    begun = time.perf_counter()
    assert all(each in held for each in ids)
    assert time.perf_counter() - begun < 50_000 * 20e-6  # ten times the promise: this machine may be busy
