"""What a publisher claims of patches is proven by applying them; old files can be fetched to make them."""

import random

import pytest
from control_world import APP, OTHER, digest, pack

from edge.bundles.patches.dcz import HEADER_BYTES, encode_dcz
from edge.domain.patches.document import Patch, encode_patches
from edge.store.objects.port import blob_key

OLD = random.Random(1).randbytes(3_000).hex()
NEW = OLD + "// more"
STREAM = encode_dcz(OLD.encode(), NEW.encode())
RIGHT = Patch(digest(NEW.encode()), digest(OLD.encode()), digest(STREAM), len(STREAM))
BUNDLES = f"/v1/apps/{APP}/bundles"


@pytest.fixture
async def published(acme):
    """The old bundle is there, and the stream is uploaded."""
    await acme.publish("1.0.0", pack(app=OLD))
    return acme


async def publish(api, *patches, streams=(STREAM,), status=200, document=None, **fields):
    document = encode_patches(patches) if document is None else document
    bundle = pack(app=NEW)
    bundle.blobs |= {digest(each): each for each in (*streams, document)}
    return await api.publish("1.0.1", bundle, status=status, **{"patches": digest(document)} | fields)


async def test_a_right_patch_is_accepted_and_shown(published, world):
    done = await publish(published, RIGHT)
    assert done["patches"] == digest(encode_patches([RIGHT]))
    assert (await published("GET", f"{BUNDLES}/1.0.1"))["patches"] == done["patches"]
    assert (await published("GET", f"{BUNDLES}/1.0.0"))["patches"] is None


async def test_they_no_longer_count_as_unpublished_uploads(serve):
    api = await serve(upload_limit_bytes=1 << 20)
    await api("POST", "/v1/apps", {"app": APP})
    await api.publish("1.0.0", pack(app=OLD))
    await publish(api, RIGHT)
    assert await api("PUT", f"/v1/apps/{APP}/blobs/{digest(bytes(1_040_000))}", content=bytes(1_040_000))


OTHER_STREAM = encode_dcz(OLD.encode(), OLD.encode() + b"?")
CUT = STREAM[:-4]
PADDED = encode_dcz(OLD.encode(), random.Random(2).randbytes(20_000))
WRONG = {
    "gives another file": (RIGHT._replace(blob=digest(OTHER_STREAM), bytes=len(OTHER_STREAM)), OTHER_STREAM),
    "is cut": (RIGHT._replace(blob=digest(CUT), bytes=len(CUT)), CUT),
    "is a header alone": (
        RIGHT._replace(blob=digest(STREAM[:HEADER_BYTES]), bytes=HEADER_BYTES),
        STREAM[:HEADER_BYTES],
    ),
    "lies about its size": (RIGHT._replace(bytes=len(STREAM) + 1), STREAM),
    "is no smaller than the file": (RIGHT._replace(blob=digest(PADDED), bytes=len(PADDED)), PADDED),
    "is for a file that the bundle has not": (RIGHT._replace(new=digest(b"elsewhere")), STREAM),
    "is from a file that no bundle has": (RIGHT._replace(old=digest(b"elsewhere")), STREAM),
}


@pytest.mark.parametrize("case", WRONG)
async def test_a_patch_that_does_not_give_its_file_is_refused(published, world, case):
    patch, stream = WRONG[case]
    assert await publish(published, patch, streams=(stream,), status=422) == "patch_mismatch"
    assert "1.0.1" not in world.releases.load(APP).bundles


async def test_a_patch_from_another_apps_file_is_refused(published):
    """Whether it applies would tell what that file contains."""
    secret = OLD.replace("a", "b")
    await published("POST", "/v1/apps", {"app": OTHER})
    theirs = pack(app=secret)
    for name, content in theirs.blobs.items():
        await published("PUT", f"/v1/apps/{OTHER}/blobs/{name}", content=content)
    body = {"version": "1.0.0", "zip": theirs.zip, "manifest": theirs.manifest}
    await published("POST", f"/v1/apps/{OTHER}/bundles", body)
    stream = encode_dcz(secret.encode(), NEW.encode())
    patch = Patch(RIGHT.new, digest(secret.encode()), digest(stream), len(stream))
    assert await publish(published, patch, streams=(stream,), status=422) == "patch_mismatch"


@pytest.mark.parametrize(
    ("document", "code"), [(b"{}", "invalid_patches"), (b'{"format":2,"patches":[]}', "invalid_patches")]
)
async def test_another_document_is_refused(published, document, code):
    assert await publish(published, document=document, status=422) == code


async def test_a_document_or_patch_that_was_not_uploaded_is_refused(published):
    assert await publish(published, RIGHT, streams=(), status=422) == "missing_blob"
    assert await publish(published, RIGHT, status=422, patches=digest(b"nowhere")) == "missing_blob"
    assert await publish(published, RIGHT, status=422, patches="x") == "invalid_digest"


async def test_an_encrypted_bundle_has_none(published):
    locked = {"session_key": "x", "checksum": "x"}
    assert await publish(published, RIGHT, status=422, encryption=locked) == "patches_of_encrypted"


async def test_a_dry_run_verifies_patches_too(published):
    bundle = pack(app=NEW)
    patch, stream = WRONG["gives another file"]
    document = encode_patches([patch])
    bundle.blobs |= {digest(each): each for each in (stream, document)}
    await published.upload(bundle)
    body = {"version": "1.0.1", "zip": bundle.zip, "manifest": bundle.manifest, "patches": digest(document)}
    assert await published("POST", f"{BUNDLES}?dry_run=true", body, status=422) == "patch_mismatch"


async def download(api, version, content, status=200, by="root"):
    headers = {"Authorization": f"Bearer {api.secrets[by]}"}
    async with api.client.get(f"{BUNDLES}/{version}/blobs/{digest(content)}", headers=headers) as response:
        assert response.status == status
        return await response.read() if status == 200 else (await response.json())["error"]


async def test_a_file_of_a_bundle_can_be_fetched_and_nothing_else(published, world):
    await published("PUT", f"/v1/apps/{APP}/blobs/{digest(STREAM)}", content=STREAM)
    assert await download(published, "1.0.0", OLD.encode(), by="uploader-acme") == OLD.encode()
    assert await download(published, "1.0.0", STREAM, 404) == "unknown_blob"
    assert await download(published, "9.9.9", OLD.encode(), 404) == "unknown_bundle"
    world.store.path(blob_key(digest(OLD.encode()))).write_bytes(b"altered")
    assert await download(published, "1.0.0", OLD.encode(), 503) == "bad_digest"


def lose(world, content):
    world.store.path(blob_key(digest(content))).unlink()


DOCUMENT = encode_patches([RIGHT])
LONGER = encode_dcz(OLD.encode() + b"!", NEW.encode())
ANOTHER = Patch(RIGHT.new, digest(OLD.encode() + b"!"), digest(LONGER), len(LONGER))


@pytest.mark.parametrize("lost", [STREAM, DOCUMENT], ids=["a patch", "their document"])
async def test_lost_patches_stop_no_release(published, world, lost):
    await publish(published, RIGHT)
    await published("POST", f"/v1/apps/{APP}/channels", {"name": "production"})
    lose(world, lost)
    done = await published.publish("1.0.1", pack(app=NEW), channel="production")
    assert (done["channels"], done["patches"]) == (["production"], digest(DOCUMENT))
    shown = await published("GET", f"{BUNDLES}/1.0.1")
    assert shown["patch_blobs"][0] == digest(DOCUMENT)


@pytest.mark.parametrize("lost", [None, STREAM, DOCUMENT], ids=["nothing", "a patch", "their document"])
async def test_other_patches_replace_those_that_are_lost_and_no_others(published, world, lost):
    await published.publish("1.0.0-b", pack(app=OLD + "!"))
    await publish(published, RIGHT)
    if lost is not None:
        lose(world, lost)
    done = await publish(published, ANOTHER, streams=(LONGER,))
    assert done["patches"] == digest(DOCUMENT if lost is None else encode_patches([ANOTHER]))
    assert done["changed"] is (lost is not None)
    assert (await publish(published, ANOTHER, streams=(LONGER,)))["changed"] is False
