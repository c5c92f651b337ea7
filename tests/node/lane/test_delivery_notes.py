"""What is sent of bundles is counted at every door: the lane, over TLS as well, and aiohttp."""

import asyncio
import hashlib
import ssl

import pytest
from factories import APP
from test_lane import ANSWER_SECONDS, LARGE, LAST, Doors, doors, get, talk
from test_lane_over_tls import ask, secured

from edge.node.service.heard.delivery_counts import by_bundle

LARGE_DIGEST = hashlib.sha256(LARGE).hexdigest()


@pytest.fixture
async def both(tmp_path):
    async with doors(tmp_path) as opened:
        yield opened


def delivered(both: Doors) -> dict:
    """(complete, cut, bytes, whether it was timed) by bundle, form and encoding; what was counted is taken."""
    counts = by_bundle(both.shared.service.deliveries.take()).get(APP, [])
    return {
        (each.bundle, each.form, each.encoding): (each.complete, each.cut, each.bytes, each.seconds is not None)
        for each in counts
    }


def small_bytes(both: Doors) -> int:
    return len(b"zip 1.0.1")


@pytest.mark.parametrize("door", ["lane", "plain"])
async def test_whole_files_and_ranges_are_complete_and_what_has_no_bytes_is_nothing(both, door):
    port, size = getattr(both, door), small_bytes(both)
    await talk(port, get(both.zip_path) * 2 + LAST)
    assert delivered(both) == {("1.0.1", "zip", "identity"): (2, 0, 2 * size, True)}
    await talk(port, get(both.zip_path, b"Range: bytes=4-") + LAST)
    assert delivered(both) == {("1.0.1", "zip", "identity"): (1, 0, size - 4, False)}
    digest = both.zip_path.rpartition("/")[2].encode()
    for nothing in (
        get(both.zip_path, method=b"HEAD"),
        get(both.zip_path, b'If-None-Match: "' + digest + b'"'),
        get(both.zip_path, b"Range: bytes=99999-"),
        get(f"/bundles/{APP}/zip/{'0' * 64}"),
    ):
        await talk(port, nothing + LAST)
        assert delivered(both) == {}, nothing


@pytest.mark.parametrize("door", ["lane", "plain"])
async def test_a_large_file_counts_once_it_is_sent_whole(both, door):
    """It is of a bundle that the channel can go back to."""
    await talk(getattr(both, door), get(both.large) * 2 + LAST)
    assert delivered(both) == {("1.0.0", "zip", "identity"): (2, 0, 2 * len(LARGE), True)}


@pytest.mark.parametrize("door", ["lane", "plain"])
async def test_a_peer_that_leaves_in_the_middle_has_cut_it_and_what_was_sent_counts(both, door):
    reader, writer = await asyncio.open_connection("127.0.0.1", getattr(both, door), limit=1)
    writer.write(get(both.large))
    await reader.readexactly(1)
    writer.transport.abort()
    found = {}
    async with asyncio.timeout(ANSWER_SECONDS):
        while not found:
            await asyncio.sleep(0)
            found = delivered(both)
    ((key, (complete, cut, sent, timed)),) = found.items()
    assert (key, complete, cut, timed) == (("1.0.0", "zip", "identity"), 0, 1, False)
    assert 0 < sent < len(LARGE)
    del reader


async def test_over_tls_it_is_counted_alike(tmp_path):
    async with secured(tmp_path) as secure:
        both = secure.doors
        stream = get(both.large) + get(both.zip_path) + get(both.zip_path, b"Range: bytes=1-2") + LAST
        await asyncio.to_thread(ask, secure, ssl.TLSVersion.TLSv1_3, stream)
        assert delivered(both) == {
            ("1.0.0", "zip", "identity"): (1, 0, len(LARGE), True),
            ("1.0.1", "zip", "identity"): (2, 0, small_bytes(both) + 2, True),
        }


async def test_over_tls_a_peer_that_leaves_has_cut_it(tmp_path):
    async with secured(tmp_path) as secure:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", secure.port, ssl=secure.trusting(), server_hostname="localhost", limit=1
        )
        writer.write(get(secure.doors.large))
        await reader.readexactly(4096)  # more than the head
        writer.transport.abort()
        found = {}
        async with asyncio.timeout(ANSWER_SECONDS):
            while not found:
                await asyncio.sleep(0)
                found = delivered(secure.doors)
        ((key, (complete, cut, sent, _)),) = found.items()
        assert (key, complete, cut) == (("1.0.0", "zip", "identity"), 0, 1) and 0 < sent < len(LARGE)
        del reader
