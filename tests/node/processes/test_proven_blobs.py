"""A node of several workers: each blob is read once for all of them, and what is damaged is known to all of them."""

import asyncio
import hashlib
import os
import sqlite3

import aiohttp
import pytest
from factories import APP, the_files
from node_world import PROMPT_SECONDS, a_config, a_truth, check, publish, running

from edge.store.healing import keep_bytes
from edge.store.objects.port import blob_key

ZIP = b"zip 1.0.1"
DIGEST = hashlib.sha256(ZIP).hexdigest()
CLOSE = {"Connection": "close"}  # a connection each: the kernel spreads them over the workers


@pytest.fixture
def truth(tmp_path):
    made = a_truth(tmp_path)
    publish(made, "1.0.1")
    return made


class Broken:
    """A ProofPort with a fault that nobody thought of."""

    async def prove(self, digest, app):
        raise LookupError("unthought of")


async def fetch(session, address, count=20):
    """The statuses and bodies of so many downloads at once."""

    async def once():
        async with session.get(f"{address}/bundles/{APP}/zip/{DIGEST}", headers=CLOSE) as response:
            body = await response.read()
            return (response.status, body if response.status == 200 else b"")

    return set(await asyncio.gather(*(once() for _ in range(count))))


async def every_worker_knows(supervisor, damaged):
    async with asyncio.timeout(PROMPT_SECONDS):
        while {each.counts.gauges.lost_blobs for each in await supervisor.statuses()} != {damaged}:
            await asyncio.sleep(0.01)


@pytest.mark.long
async def test_a_blob_is_read_once_for_all_workers_and_not_again_after_a_restart(tmp_path, truth):
    async with aiohttp.ClientSession() as session:
        async with running(a_config(tmp_path), truth) as (supervisor, address):
            assert await fetch(session, address) == {(200, ZIP)}
            assert supervisor.prover.counts == {"readings": 1, "bytes": len(ZIP)}
        async with running(a_config(tmp_path), truth) as (supervisor, address):
            assert await fetch(session, address) == {(200, ZIP)}
            assert supervisor.prover.counts["readings"] == 0


@pytest.mark.long
async def test_damage_is_known_to_every_worker_and_so_is_its_end(tmp_path, truth, caplog):
    async with aiohttp.ClientSession() as session, running(a_config(tmp_path), truth) as (supervisor, address):
        assert await fetch(session, address) == {(200, ZIP)}
        with truth.store.path(blob_key(DIGEST)).open("r+b") as file:
            file.write(b"Z")
        assert await fetch(session, address) == {(503, b"")}
        await every_worker_knows(supervisor, 1)
        assert [DIGEST in record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == [True]
        keep_bytes(truth.store, ZIP)
        assert await fetch(session, address) == {(200, ZIP)}
        await every_worker_knows(supervisor, 0)


@pytest.mark.long
async def test_a_spoilt_proof_is_made_again_and_the_blob_served(tmp_path, truth):
    """As one flipped bit leaves it."""
    config = a_config(tmp_path)
    async with aiohttp.ClientSession() as session:
        async with running(config, truth) as (_, address):
            assert await fetch(session, address) == {(200, ZIP)}
        book = sqlite3.connect(truth.proofs_path)
        with book:
            book.execute("UPDATE proofs SET identity = identity || 'x'")
            book.execute("INSERT INTO damage VALUES (x'00', 'wrmng', '', '')")
            book.execute("INSERT INTO notes VALUES ('scrub_completed', 'soon')")
        book.close()
        async with running(config, truth) as (supervisor, address):
            assert await fetch(session, address) == {(200, ZIP)}
            assert supervisor.prover.counts["readings"] == 1


@pytest.mark.long
async def test_a_worker_is_answered_whatever_goes_wrong_with_a_proof(tmp_path, truth, caplog):
    async with aiohttp.ClientSession() as session, running(a_config(tmp_path), truth) as (supervisor, address):
        for worker in supervisor.pool.workers:
            worker._proofs = Broken()
        assert await fetch(session, address) == {(503, b"")}
    assert "cannot tell whether" in caplog.text and DIGEST in caplog.text


@pytest.mark.long
async def test_offers_of_every_worker_fall_back_and_come_back(tmp_path, truth):
    for content in the_files("1.0.2"):
        keep_bytes(truth.store, content)
    publish(truth, "1.0.2")
    damaged = the_files("1.0.2")[0]
    path = truth.store.path(blob_key(hashlib.sha256(damaged).hexdigest()))
    async with aiohttp.ClientSession() as session, running(a_config(tmp_path), truth) as (supervisor, address):
        assert {(await check(session, address))["version"] for _ in range(10)} == {"1.0.2"}
        path.write_bytes(b"rotten")
        await supervisor.prover.prove_all([path.name], APP)
        await every_worker_knows(supervisor, 1)
        assert {(await check(session, address))["version"] for _ in range(10)} == {"1.0.1"}
        keep_bytes(truth.store, damaged)
        await supervisor.prover.note_upload(path.name, APP)
        await every_worker_knows(supervisor, 0)
        assert {(await check(session, address))["version"] for _ in range(10)} == {"1.0.2"}


@pytest.mark.long
async def test_a_worker_that_starts_knows_what_is_damaged(tmp_path, truth):
    async with aiohttp.ClientSession() as session:
        async with running(a_config(tmp_path), truth) as (supervisor, address):
            os.truncate(truth.store.path(blob_key(DIGEST)), 1)
            assert await fetch(session, address) == {(503, b"")}
        async with running(a_config(tmp_path), truth) as (supervisor, address):
            await every_worker_knows(supervisor, 1)
            keep_bytes(truth.store, ZIP)
            await supervisor.prover.recheck()
            await every_worker_knows(supervisor, 0)
