"""Publishers learn which files the node has already, compressed in the same way."""

import brotli
import msgspec
from control_world import APP, digest, pack

from edge.domain.manifest import encode_manifest
from edge.domain.model import FileEntry
from edge.store.objects.port import blob_key

PREPARED = f"/v1/apps/{APP}/blobs/prepared"
LABEL = "brotli-1-11"


def compressed(text, label=LABEL, quality=11):
    """A bundle whose only script is compressed, and the entry of that script."""
    bundle = pack(app=text)
    blob = brotli.compress(text.encode(), quality=quality)
    page = digest(b"<html></html>")
    script = FileEntry("app.js.br", digest(text.encode()), digest(blob), len(blob))
    manifest = encode_manifest([FileEntry("index.html", page, page, 13), script], label)
    del bundle.blobs[bundle.manifest], bundle.blobs[script.hash]
    bundle.blobs |= {digest(blob): blob, digest(manifest): manifest}
    bundle.manifest = digest(manifest)
    return bundle, {"hash": script.hash, "blob": script.blob, "bytes": script.bytes}


async def asked(acme, digests, packing=LABEL, **how):
    return await acme("POST", PREPARED, {"digests": digests, "packing": packing}, **how)


async def test_what_was_published_in_the_same_way_is_listed(acme):
    bundle, script = compressed("let a = 1;" * 50)
    await acme.publish("1.0.0", bundle)
    wanted = [script["hash"], digest(b"<html></html>"), digest(b"never seen")]
    assert await asked(acme, wanted) == {"prepared": [script]}
    assert await asked(acme, wanted[1:]) == {"prepared": []}


async def test_what_was_compressed_in_another_way_is_not(acme):
    bundle, script = compressed("let a = 1;" * 50, "brotli-1-5")
    await acme.publish("1.0.0", bundle)
    assert await asked(acme, [script["hash"]]) == {"prepared": []}
    await acme.publish("1.0.1", compressed("let a = 1;" * 50)[0])
    assert await asked(acme, [script["hash"]]) == {"prepared": [script]}


async def test_of_several_forms_the_smallest_is_listed(acme):
    """Anybody with upload access may have stored a large one, before or after."""
    text = "let a = 1;" * 50
    best = compressed(text)[1]
    for number, quality in enumerate((0, 11, 1)):
        await acme.publish(f"1.0.{number}", compressed(text, quality=quality)[0])
    assert await asked(acme, [best["hash"]]) == {"prepared": [best]}


async def test_a_manifest_without_a_packing_label_lists_nothing(acme):
    bundle, script = compressed("let a = 1;" * 50, "")
    await acme.publish("1.0.0", bundle)
    assert await asked(acme, [script["hash"]]) == {"prepared": []}
    assert await asked(acme, [script["hash"]], "", status=422) == "invalid_packing"


async def test_a_blob_that_the_store_has_lost_is_not_listed(acme, world):
    bundle, script = compressed("let a = 1;" * 50)
    await acme.publish("1.0.0", bundle)
    world.store.path(blob_key(script["blob"])).unlink()
    assert await asked(acme, [script["hash"]]) == {"prepared": []}
    world.store.path(blob_key(bundle.manifest)).unlink()
    assert await asked(acme, [script["hash"]]) == {"prepared": []}


async def test_a_blob_that_is_damaged_is_not_listed(acme, world):
    bundle, script = compressed("let a = 1;" * 50)
    await acme.publish("1.0.0", bundle)
    with world.store.path(blob_key(script["blob"])).open("r+b") as file:
        file.write(b"!")
    assert await asked(acme, [script["hash"]]) == {"prepared": []}


async def test_malformed_digests_and_overlong_requests_are_refused(acme):
    assert await asked(acme, ["nonsense"], status=422) == "invalid_digest"
    assert await asked(acme, [], "x" * 101, status=422) == "invalid_packing"
    assert msgspec.json.encode(await asked(acme, [])) == b'{"prepared":[]}'


async def test_a_dry_run_keeps_no_plain_bytes(acme, world):
    bundle, script = compressed("let a = 1;" * 50)
    for dry_run in (True, False):
        query = "?dry_run=true" if dry_run else ""
        for content in bundle.blobs.values():
            await acme("PUT", f"/v1/apps/{APP}/blobs/{digest(content)}", content=content)
        body = {"version": "1.0.0", "zip": bundle.zip, "manifest": bundle.manifest}
        await acme("POST", f"/v1/apps/{APP}/bundles{query}", body)
        assert world.store.has(blob_key(script["hash"])) is not dry_run
