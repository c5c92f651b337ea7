"""Uploads: verified while they arrive, whole in the store or not at all, and no scratch file left by any of them."""

import asyncio
import errno
import gzip
from contextlib import suppress

import pytest
from aiohttp import web
from control_world import APP, digest, pack, recording

from edge.control.app import build_control_app, translate_errors
from edge.control.routes.blobs import MISSING_LIMIT
from edge.control.upload_quota import LEAST_BYTES
from edge.control.uploads import BLOB_LIMIT_BYTES, BLOCK_BYTES, Slowness, receive_blob
from edge.store.objects.fs import FsStore
from edge.store.objects.port import blob_key

BLOBS = f"/v1/apps/{APP}/blobs"
CONTENT = b"some bytes of a file"


async def test_an_upload_is_kept_and_no_longer_missing(acme, world):
    name = digest(CONTENT)
    assert await acme("PUT", f"{BLOBS}/{name}", content=CONTENT) == {"digest": name, "bytes": len(CONTENT)}
    assert world.store.path(blob_key(name)).read_bytes() == CONTENT
    assert await acme("POST", f"{BLOBS}/missing", {"digests": [name]}) == {"missing": []}
    assert world.scratch_files() == []


async def test_a_blob_that_is_said_to_be_there_is_promised(acme, world):
    name = digest(CONTENT)
    await acme("PUT", f"{BLOBS}/{name}", content=CONTENT)
    assert world.store.promised(0.0) == set()
    await acme("POST", f"{BLOBS}/missing", {"digests": [name, digest(b"other")]})
    assert world.store.promised(0.0) == {name}


async def test_a_token_beyond_its_limit_uploads_nothing_more_until_it_publishes(aiohttp_client, world):
    packed = pack()
    limit = LEAST_BYTES * len(packed.blobs)
    client = await aiohttp_client(build_control_app(world.ports(upload_limit_bytes=limit)))
    header = {"Authorization": f"Bearer {world.secrets['root']}"}

    async def ask(method, path, **body):
        async with client.request(method, path, headers=header, **body) as response:
            return response.status, await response.json()

    await ask("POST", "/v1/apps", json={"app": APP})
    for name, content in packed.blobs.items():
        assert (await ask("PUT", f"{BLOBS}/{name}", data=content))[0] == 200
    status, answer = await ask("PUT", f"{BLOBS}/{digest(CONTENT)}", data=CONTENT)
    assert (status, answer["error"]) == (429, "unpublished_uploads")
    assert not world.store.has(blob_key(digest(CONTENT)))
    bundle = {"version": "1.0.0", "zip": packed.zip, "manifest": packed.manifest}
    assert (await ask("POST", f"/v1/apps/{APP}/bundles", json=bundle))[0] == 200
    assert (await ask("PUT", f"{BLOBS}/{digest(CONTENT)}", data=CONTENT))[0] == 200


@pytest.mark.parametrize("wrong", [CONTENT[:-1], CONTENT + b"x", CONTENT[:-1] + b"X"])
async def test_an_upload_replaces_wrong_bytes_that_have_its_name(acme, world, wrong):
    name = digest(CONTENT)
    await acme("PUT", f"{BLOBS}/{name}", content=CONTENT)
    world.store.path(blob_key(name)).write_bytes(wrong)
    assert await acme("PUT", f"{BLOBS}/{name}", content=CONTENT) == {"digest": name, "bytes": len(CONTENT)}
    assert world.store.path(blob_key(name)).read_bytes() == CONTENT
    assert world.scratch_files() == []


@pytest.mark.parametrize("wrong", [CONTENT[:-1], CONTENT + b"x", CONTENT[:-1] + b"X"])
async def test_a_blob_whose_bytes_are_wrong_is_missing_until_it_is_uploaded_again(acme, world, wrong):
    """So publishing the same bundle again repairs it."""
    name = digest(CONTENT)
    await acme("PUT", f"{BLOBS}/{name}", content=CONTENT)
    assert await acme("POST", f"{BLOBS}/missing", {"digests": [name]}) == {"missing": []}
    world.store.path(blob_key(name)).write_bytes(wrong)
    assert await acme("POST", f"{BLOBS}/missing", {"digests": [name]}) == {"missing": [name]}
    await acme("PUT", f"{BLOBS}/{name}", content=CONTENT)
    assert await acme("POST", f"{BLOBS}/missing", {"digests": [name]}) == {"missing": []}


async def test_a_publish_has_every_blob_read_before_devices_are_offered_it(acme, world):
    packed = pack(page="one")
    await acme.publish("1.0.0", packed)
    assert world.prover.counts["readings"] == len(packed.blobs)
    await world.prover.prove_all(packed.blobs, APP)
    assert world.prover.counts["readings"] == len(packed.blobs)


async def test_every_size_arrives_whole(acme, world):
    for size in (0, 1, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, 3 * BLOCK_BYTES + 7):
        content = (b"0123456789abcdef" * (size // 16 + 1))[:size]
        name = digest(content)
        assert (await acme("PUT", f"{BLOBS}/{name}", content=content))["bytes"] == size
        assert world.store.path(blob_key(name)).read_bytes() == content


async def test_an_upload_needs_no_content_length(acme, world):
    async def pieces():
        for piece in (CONTENT[:5], CONTENT[5:]):
            yield piece

    await acme("PUT", f"{BLOBS}/{digest(CONTENT)}", content=pieces())
    assert world.store.has(blob_key(digest(CONTENT)))


async def test_bytes_of_another_digest_are_refused(acme, world):
    name = digest(b"other bytes")
    assert await acme("PUT", f"{BLOBS}/{name}", content=CONTENT, status=422) == "digest_mismatch"
    assert not world.store.has(blob_key(name)) and not world.store.has(blob_key(digest(CONTENT)))
    assert world.scratch_files() == []


async def test_a_compressed_body_is_refused_before_it_is_blown_up(acme, world):
    name, content = digest(CONTENT), gzip.compress(CONTENT)
    headers = {"Content-Encoding": "gzip"}
    assert await acme("PUT", f"{BLOBS}/{name}", content=content, headers=headers, status=422) == "encoded_body"
    content = gzip.compress(b'{"digests": []}')
    assert await acme("POST", f"{BLOBS}/missing", content=content, headers=headers, status=422) == "encoded_body"
    assert world.scratch_files() == []


async def test_a_digest_in_the_address_is_checked(acme):
    for name in ("x", "A" * 64, "0" * 63, "..%2f..%2fheads%2f0"):
        assert await acme("PUT", f"{BLOBS}/{name}", content=CONTENT, status=422) == "invalid_digest", name


async def test_uploads_of_one_digest_at_once_are_harmless(acme, world):
    content = CONTENT * BLOCK_BYTES
    name = digest(content)
    answers = await asyncio.gather(*(acme("PUT", f"{BLOBS}/{name}", content=content) for _ in range(4)))
    assert answers == [{"digest": name, "bytes": len(content)}] * 4
    assert world.store.path(blob_key(name)).read_bytes() == content
    assert world.scratch_files() == []


async def test_only_what_the_store_lacks_is_missing_in_the_order_of_the_request(acme):
    packed = pack(page="one")
    names = list(packed.blobs)
    await acme("PUT", f"{BLOBS}/{names[1]}", content=packed.blobs[names[1]])
    asked = [names[2], names[1], names[0], names[2]]
    assert await acme("POST", f"{BLOBS}/missing", {"digests": asked}) == {"missing": [names[2], names[0]]}


async def test_the_largest_bundle_fits_into_one_request(acme):
    names = [f"{n:064x}" for n in range(MISSING_LIMIT)]
    assert len((await acme("POST", f"{BLOBS}/missing", {"digests": names}))["missing"]) == MISSING_LIMIT
    one_more = {"digests": [*names, "f" * 64]}
    assert await acme("POST", f"{BLOBS}/missing", one_more, status=422) == "too_many_digests"
    assert await acme("POST", f"{BLOBS}/missing", {"digests": ["x"]}, status=422) == "invalid_digest"
    too_large = {"digests": [*names, *names]}
    assert await acme("POST", f"{BLOBS}/missing", too_large, status=413) == "body_too_large"


async def raw_upload(api, address, name, head, sent=b""):
    """Start an upload by hand and return its connection."""
    reader, writer = await asyncio.open_connection(*address)
    lines = [
        f"PUT {BLOBS}/{name} HTTP/1.1",
        "Host: localhost",
        f"Authorization: Bearer {api.secrets['root']}",
        *head,
    ]
    writer.write("\r\n".join([*lines, "", ""]).encode() + sent)
    await writer.drain()
    return reader, writer


async def test_a_declared_size_above_the_limit_is_refused_before_the_body(acme, world):
    address = acme.client.server.host, acme.client.server.port
    reader, writer = await raw_upload(acme, address, "0" * 64, [f"Content-Length: {BLOB_LIMIT_BYTES + 1}"])
    assert (await reader.readline()).split()[1] == b"413"
    writer.close()
    await writer.wait_closed()
    assert world.scratch_files() == []


@pytest.fixture
async def recorded(world):
    """A server that does or does not cancel the handlers of clients that left, and the event of a handler's end."""
    runners = []

    async def start(handler_cancellation):
        finished = asyncio.Event()
        app = build_control_app(world.ports())
        app.middlewares.insert(0, recording(finished))
        runners.append(web.AppRunner(app, handler_cancellation=handler_cancellation))
        await runners[-1].setup()
        await web.TCPSite(runners[-1], "127.0.0.1", 0).start()
        return runners[-1].addresses[0][:2], finished

    yield start
    for runner in runners:
        await runner.cleanup()


@pytest.mark.parametrize("handler_cancellation", [False, True])
@pytest.mark.parametrize(
    "head", [[f"Content-Length: {4 * BLOCK_BYTES}"], ["Transfer-Encoding: chunked"]], ids=["length", "chunked"]
)
async def test_an_upload_cut_midway_leaves_nothing(acme, recorded, world, head, handler_cancellation):
    address, finished = await recorded(handler_cancellation)
    sent = b"x" * (2 * BLOCK_BYTES)
    chunk = f"{len(sent):x}\r\n".encode() + sent + b"\r\n" if "chunked" in head[0] else sent
    _reader, writer = await raw_upload(acme, address, digest(sent), head, chunk)
    await seen(lambda: [name for name in world.scratch_files() if (world.store.root / "tmp" / name).stat().st_size])
    writer.transport.abort()
    await asyncio.wait_for(finished.wait(), 60)
    assert world.scratch_files() == []
    assert not world.store.has(blob_key(digest(sent)))


async def seen(condition):
    """Wait until the condition holds; other tasks and threads run meanwhile."""
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0)


@pytest.fixture
async def small(aiohttp_client, world, request):
    """`receive_blob` with limits that a test can reach."""
    slowness = getattr(request, "param", Slowness(idle_seconds=0.05))

    async def handle(request):
        await receive_blob(request, world.store, digest(CONTENT), limit_bytes=100, slowness=slowness)
        return web.Response()

    app = web.Application(middlewares=[translate_errors])
    app.router.add_put("/", handle)
    return await aiohttp_client(app)


async def endless(piece, gate):
    yield piece
    await gate.wait()


async def test_more_bytes_than_the_limit_are_refused_even_undeclared(small, world):
    async def pieces():
        for _ in range(3):
            yield b"x" * 50

    async with small.put("/", data=pieces()) as response:
        assert response.status == 413 and (await response.json())["error"] == "body_too_large"
    assert world.scratch_files() == []


async def test_a_silent_upload_is_ended(small, world):
    gate = asyncio.Event()
    async with small.put("/", data=endless(CONTENT[:3], gate)) as response:
        assert response.status == 408 and (await response.json())["error"] == "body_stalled"
        assert world.scratch_files() == []
    gate.set()


@pytest.mark.parametrize("small", [Slowness(body_seconds=0.1)], indirect=True)
async def test_an_upload_that_drips_is_ended_however_steadily(small, world):
    ended = asyncio.Event()

    async def drops():
        while not ended.is_set():
            yield b"x"
            with suppress(TimeoutError):
                await asyncio.wait_for(ended.wait(), 0.01)

    async with small.put("/", data=drops()) as response:
        assert response.status == 408 and (await response.json())["error"] == "body_stalled"
        assert world.scratch_files() == []
    ended.set()


class FullStore(FsStore):
    def adopt(self, key, file):
        raise OSError(errno.ENOSPC, "No space left on device")


async def test_a_full_store_is_refused_with_its_code(serve, tmp_path):
    full = FullStore(tmp_path / "full")
    api = await serve(store=full)
    await api("POST", "/v1/apps", {"app": APP})
    assert await api("PUT", f"{BLOBS}/{digest(CONTENT)}", content=CONTENT, status=507) == "storage_full"
    assert list((full.root / "tmp").iterdir()) == []
