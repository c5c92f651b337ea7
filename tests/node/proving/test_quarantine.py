"""What cannot be served: told when it changes, said once, and bounded."""

import pytest
from proving import a_book

from edge.node.proving.quarantine import Quarantine
from edge.node.proving.verdicts import BlobDamage, Fault

DIGEST = "ab" * 32
MISSING = BlobDamage(Fault.MISSING, None, "com.example.app")


@pytest.fixture
def told():
    return []


@pytest.fixture
def quarantine(told):
    made = Quarantine(a_book())
    made.changed = lambda: told.append(made.digests)
    return made


def test_workers_are_told_when_a_blob_comes_or_goes(quarantine, told):
    quarantine.add(DIGEST, MISSING)
    quarantine.add(DIGEST, MISSING)
    quarantine.release(DIGEST)
    quarantine.release(DIGEST)
    quarantine.forget(DIGEST)
    assert told == [{DIGEST}, frozenset()]


def test_another_fault_of_the_same_blob_is_said_too(quarantine, caplog):
    quarantine.add(DIGEST, MISSING)
    quarantine.add(DIGEST, MISSING._replace(fault=Fault.WRONG))
    assert [record.getMessage().split(".")[0] for record in caplog.records] == [
        f"blob {DIGEST} is lost: it is not on disk",
        f"blob {DIGEST} is damaged: its bytes on disk do not match the digest in its name",
    ]
    assert quarantine.found == {"missing": 1, "wrong": 1}


def test_what_nothing_names_any_more_is_forgotten_without_a_word(quarantine, caplog):
    quarantine.add(DIGEST, MISSING)
    caplog.clear()
    quarantine.forget(DIGEST)
    assert (len(quarantine), quarantine.healed, caplog.records) == (0, 0, [])


def test_a_lost_disk_is_named_up_to_a_limit(caplog):
    book = a_book()
    quarantine = Quarantine(book, limit=3)
    for n in range(5):
        quarantine.add(f"{n:064x}", MISSING)
    assert list(quarantine) == [f"{n:064x}" for n in range(3)] == [r.getMessage().split()[1] for r in caplog.records]
    quarantine.forget(f"{0:064x}")
    quarantine.add(f"{4:064x}", MISSING)
    assert len(quarantine) == 3
    assert len(Quarantine(book, limit=2)) == 2  # after a restart too
