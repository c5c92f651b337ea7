"""The daily scrub: a process of its own reads every blob that a release names; what it suspects is read again."""

import asyncio
import hashlib
import os
from contextlib import suppress
from pathlib import Path

import pytest
from factories import APP, a_manifest, the_files
from node_world import PROMPT_SECONDS, a_truth, publish
from proving import a_book, a_prover

from edge.node.proving.scrubbing import Scrubbing
from edge.store.disk.file_proof import FileIdentity
from edge.store.heads import Head
from edge.store.healing import keep_bytes
from edge.store.objects.port import blob_key, revision_key

NOW = 1_700_000_000.0
QUICKLY = 1e12  # bytes per second
BLOBS = 2 * (2 + 4)  # of two bundles: a zip, a manifest, two files packed and plain


@pytest.fixture
def truth(tmp_path):
    made = a_truth(tmp_path)
    publish(made, "1.0.1")
    publish(made, "1.0.2")
    return made


@pytest.fixture
def book():
    return a_book()


def scrubbing(truth, book, prover, **options):
    given = {"clock": lambda: NOW, "bytes_per_second": QUICKLY} | options
    return Scrubbing(truth.store.root, book, prover, truth.releases.heads, **given)


def digest_of(content):
    return hashlib.sha256(content).hexdigest()


def rot(book, prover, place):
    """Change a bit as a disk does: what the node knows of the file's state is the same before and after."""
    content = bytearray(place.read_bytes())
    content[0] ^= 1
    place.write_bytes(content)
    status = place.stat()
    identity = FileIdentity(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    book.note_proof(place.name, identity, NOW)
    prover._remembered.clear()


async def test_every_blob_that_a_release_names_is_read_and_proven(truth, book):
    prover = a_prover(truth.store, book)
    unnamed = keep_bytes(truth.store, b"uploaded, and never published")
    scrub = scrubbing(truth, book, prover)
    assert scrub.condition.completed == 0
    assert await scrub.round()
    assert (scrub.condition.completed, scrub.condition.blobs, scrub.condition.suspects) == (NOW, BLOBS, 0)
    assert book.read_at(digest_of(the_files("1.0.1")[0])) == NOW
    assert book.read_at(unnamed) == 0
    await prover.prove_all([digest_of(content) for content in (*the_files("1.0.1"), b"zip 1.0.2")], APP)
    assert prover.counts["readings"] == 0
    assert scrubbing(truth, book, prover).condition.completed == NOW


@pytest.mark.long
@pytest.mark.parametrize("content", [b"zip 1.0.1", a_manifest("1.0.2"), *the_files("1.0.1")[:2]])
async def test_rot_that_no_file_shows_is_found(truth, book, caplog, content):
    prover = a_prover(truth.store, book)
    rot(book, prover, truth.store.path(blob_key(digest_of(content))))
    await prover.prove(digest_of(content), APP)  # served as if it were right
    scrub = scrubbing(truth, book, prover)
    assert await scrub.round()
    assert digest_of(content) in prover.quarantine.digests
    assert scrub.condition.suspects >= 1
    assert any(digest_of(content) in record.getMessage() for record in caplog.records if record.levelname == "ERROR")
    keep_bytes(truth.store, content)
    assert await scrub.round()
    assert len(prover.quarantine) == 0


async def test_what_is_missing_is_found_before_a_device_asks_for_it(truth, book):
    prover = a_prover(truth.store, book)
    for content in (the_files("1.0.1")[0], b"zip 1.0.2"):
        truth.store.path(blob_key(digest_of(content))).unlink()
    assert await scrubbing(truth, book, prover).round()
    assert prover.quarantine.digests == {digest_of(the_files("1.0.1")[0]), digest_of(b"zip 1.0.2")}


async def test_a_revision_that_cannot_be_read_is_said_and_shown_until_it_can(truth, book, caplog):
    scrub = scrubbing(truth, book, a_prover(truth.store, book))
    head = truth.releases.heads()[APP]
    place = truth.store.path(revision_key(APP, head.revision, head.digest))
    content = place.read_bytes()
    place.write_bytes(content[:100] + b"x" + content[101:])
    lost = digest_of(b"zip 1.0.1")
    gone = truth.store.path(blob_key(lost))
    gone.rename(place.parent / "away")
    await scrub._prover.prove_all([lost], APP)
    caplog.clear()
    for _ in range(2):
        assert await scrub.round()
        assert scrub.condition.unreadable == 1
    assert scrub._prover.quarantine.digests == {lost}  # the app may still name it
    (place.parent / "away").rename(gone)
    (damage,) = scrub.damages
    assert (damage.app, damage.grain, damage.name) == (APP, "revision", str(head.revision))
    (said,) = [record for record in caplog.records if record.levelname == "ERROR"]  # once
    assert APP in said.getMessage() and "`edge store repair`" in said.getMessage()
    place.write_bytes(content)
    assert await scrub.round()
    assert (scrub.condition.unreadable, scrub.condition.blobs) == (0, BLOBS)


async def test_a_deleted_apps_damage_is_over(truth, book):
    heads = dict(truth.releases.heads())
    scrub = Scrubbing(truth.store.root, book, a_prover(truth.store, book), lambda: heads, lambda: NOW, QUICKLY)
    truth.store.path(revision_key(APP, heads[APP].revision, heads[APP].digest)).unlink()
    assert await scrub.round()
    assert scrub.condition.unreadable == 1
    heads[APP] = Head(heads[APP].revision, heads[APP].digest, deleted=True)
    assert await scrub.round()
    assert scrub.condition.unreadable == 0


async def test_damage_that_nothing_names_is_forgotten(truth, book):
    prover = a_prover(truth.store, book)
    named = digest_of(b"zip 1.0.1")
    truth.store.path(blob_key(named)).unlink()
    await prover.prove_all(["0" * 64, named], APP)
    assert len(prover.quarantine) == 2
    assert await scrubbing(truth, book, prover).round()
    assert prover.quarantine.digests == {named}


async def test_a_round_goes_on_where_it_was(truth, book):
    prover = a_prover(truth.store, book)
    book.keep_note("scrub_began", repr(NOW - 10))
    book.keep_note("scrub_after", APP)
    await prover.prove_all(["0" * 64], APP)
    scrub = scrubbing(truth, book, prover)
    assert await scrub.round()
    assert scrub.condition.blobs == 0
    assert prover.quarantine.digests == {"0" * 64}  # the apps before it were not looked at
    assert await scrub.round()
    assert scrub.condition.blobs == BLOBS and len(prover.quarantine) == 0


@pytest.mark.parametrize("note", ["soon", "", "nan", "inf", "-1", repr(NOW + 1)])
async def test_a_note_that_cannot_be_right_costs_a_round_and_nothing_else(truth, book, note):
    for name in ("scrub_began", "scrub_completed"):
        book.keep_note(name, note)
    scrub = scrubbing(truth, book, a_prover(truth.store, book))
    assert scrub.condition.completed == 0
    book.keep_note("scrub_after", "")
    assert await scrub.round()
    assert (scrub.condition.completed, book.read_at(digest_of(b"zip 1.0.1"))) == (NOW, NOW)


async def test_a_process_that_dies_is_said_and_the_round_is_not_over(truth, book, caplog):
    scrub = scrubbing(truth, book, a_prover(truth.store, book), bytes_per_second="no number")
    assert not await scrub.round()
    assert scrub.condition.completed == 0 and book.note("scrub_after") == ""
    assert "exited with code 1" in caplog.text


async def test_no_process_outlives_a_node_that_stops(truth, book):
    before = children_of_this_process()
    scrub = scrubbing(truth, book, a_prover(truth.store, book), bytes_per_second=1.0)
    task = asyncio.create_task(scrub.round())
    async with asyncio.timeout(PROMPT_SECONDS):
        while not (started := children_of_this_process() - before):
            await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not started & children_of_this_process()


def children_of_this_process():
    found = set()
    for thread in Path("/proc/self/task").iterdir():
        with suppress(FileNotFoundError):  # the thread has ended since it was listed
            found |= set((thread / "children").read_text().split())
    assert os.getpid() not in found
    return found
