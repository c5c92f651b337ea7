"""What a node lacks, or has wrong, is asked of whoever it follows before a device hears of it."""

import hashlib

import pytest
from proving import a_prover

from edge.node.proving.verdicts import DamagedBlob, Fault
from edge.store.healing import keep_bytes
from edge.store.objects.fs import FsStore
from edge.store.objects.port import blob_key

APP = "com.example.app"
CONTENT = b"a file of a bundle " * 1000
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class Source:
    """Whoever is followed; `there` is whether it answers."""

    def __init__(self, store) -> None:
        self.there = True
        self.asked = []
        self._store = store

    async def pull(self, digest: str, app: str) -> bool:
        self.asked.append((digest, app))
        if self.there:
            keep_bytes(self._store, CONTENT)
        return self.there


@pytest.fixture
def store(tmp_path):
    return FsStore(tmp_path / "store")


@pytest.fixture
def source(store):
    return Source(store)


@pytest.fixture
def prover(store, source):
    made = a_prover(store)
    made.puller = source
    return made


def damage(store) -> None:
    keep_bytes(store, CONTENT)
    store.path(blob_key(DIGEST)).write_bytes(b"x" * len(CONTENT))


async def test_a_missing_blob_is_pulled_and_proven(prover, source):
    identity = await prover.prove(DIGEST, APP)
    assert identity.bytes == len(CONTENT) and source.asked == [(DIGEST, APP)] and not prover.quarantine.digests


async def test_a_rotten_blob_is_pulled_and_proven(prover, source, store):
    damage(store)
    assert (await prover.prove(DIGEST, APP)).bytes == len(CONTENT) and not prover.quarantine.found


async def test_what_is_here_and_right_is_asked_of_nobody(prover, source, store):
    keep_bytes(store, CONTENT)
    await prover.prove(DIGEST, APP)
    assert source.asked == []


@pytest.mark.parametrize("was", [Fault.MISSING, Fault.WRONG])
async def test_what_nobody_could_give_is_pulled_once_somebody_can(prover, source, store, was):
    if was is Fault.WRONG:
        damage(store)
    source.there = False
    with pytest.raises(DamagedBlob):
        await prover.prove(DIGEST, APP)
    assert prover.quarantine.of(DIGEST).fault is was
    await prover.recheck()
    assert prover.is_damaged(DIGEST)
    source.there = True
    await prover.recheck()
    assert not prover.is_damaged(DIGEST)
    assert (await prover.prove(DIGEST, APP)).bytes == len(CONTENT)


async def test_scrubbing_has_what_became_wrong_pulled(prover, source, store):
    keep_bytes(store, CONTENT)
    await prover.prove(DIGEST, APP)
    place = store.path(blob_key(DIGEST))
    place.write_bytes(b"x" * len(CONTENT))
    assert (await prover.prove_again(DIGEST, APP)).bytes == len(CONTENT)
    assert place.read_bytes() == CONTENT and len(source.asked) == 1
