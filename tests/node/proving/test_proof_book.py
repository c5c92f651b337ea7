"""The book of proofs outlives restarts, and its loss costs nothing but reading again."""

import os
import sqlite3

import pytest

from edge.node.proving.proof_book import ProofBook
from edge.node.proving.verdicts import BlobDamage, Fault
from edge.store.disk.file_proof import FileIdentity

DIGEST, OTHER = "ab" * 32, "cd" * 32
FILE = FileIdentity(2**64 - 1, 2**64 - 2, 12, 1_700_000_000_000_000_001, 1_700_000_000_000_000_002)
WRONG = BlobDamage(Fault.WRONG, FILE, "com.example.app")


@pytest.fixture
def place(tmp_path):
    return tmp_path / "proofs.sqlite"


def reopened(book, place):
    book.close()
    return ProofBook(place)


def test_a_proof_is_found_again(place):
    book = ProofBook(place)
    assert book.proof_of(DIGEST) is None and book.read_at(DIGEST) == 0
    book.note_proof(DIGEST, FILE, 100.5)
    book = reopened(book, place)
    assert (book.proof_of(DIGEST), book.read_at(DIGEST), book.proof_of(OTHER)) == (FILE, 100.5, None)
    book.close()


def test_damage_voids_a_proof_and_a_proof_ends_damage(place):
    book = ProofBook(place)
    book.note_proof(DIGEST, FILE, 1.0)
    book.note_damage(DIGEST, WRONG)
    book.note_damage(OTHER, BlobDamage(Fault.MISSING, None, ""))
    book = reopened(book, place)
    assert book.proof_of(DIGEST) is None
    assert book.damage() == {DIGEST: WRONG, OTHER: BlobDamage(Fault.MISSING, None, "")}
    book.note_proof(DIGEST, FILE, 2.0)
    book.forget_damage(OTHER)
    assert book.damage() == {}
    book.close()


def test_notes_and_proofs_that_nothing_names(place):
    book = ProofBook(place)
    assert book.note("scrubbed") is None
    book.keep_note("scrubbed", "one")
    book.keep_note("scrubbed", "two")
    book.keep_note("gone", "one")
    book.keep_note("gone", None)
    book.note_proof(DIGEST, FILE, 10.0)
    book.note_proofs({OTHER: FILE}, 20.0)
    assert book.forget_unread_since(15.0) == 1
    book = reopened(book, place)
    assert (book.note("scrubbed"), book.note("gone"), book.proof_of(DIGEST), book.proof_of(OTHER)) == (
        "two",
        None,
        None,
        FILE,
    )
    book.close()


@pytest.mark.parametrize("content", [b"rotten", b"SQLite format 3\0" + bytes(4000)])
def test_a_damaged_book_is_made_again(place, content, caplog):
    place.write_bytes(content)
    book = ProofBook(place)
    book.note_proof(DIGEST, FILE, 1.0)
    book = reopened(book, place)
    assert book.proof_of(DIGEST) == FILE
    assert len(caplog.records) == 1
    book.close()


def test_a_newer_releases_book_is_made_again(place):
    connection = sqlite3.connect(place)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    book = ProofBook(place)
    book.note_proof(DIGEST, FILE, 1.0)
    assert reopened(book, place).proof_of(DIGEST) == FILE


def test_a_book_that_cannot_be_opened_is_kept_in_memory(tmp_path, caplog):
    (tmp_path / "proofs.sqlite").mkdir()
    book = ProofBook(tmp_path / "proofs.sqlite")
    book.note_proof(DIGEST, FILE, 1.0)
    assert book.proof_of(DIGEST) == FILE
    assert len(caplog.records) == 1


def test_a_book_that_cannot_be_written_is_said_once_and_stops_nobody(place, caplog):
    ProofBook(place).close()
    place.chmod(0o600)
    book = ProofBook(place)
    book._connection.execute("PRAGMA query_only = ON")
    for _ in range(3):
        book.note_proof(DIGEST, FILE, 1.0)
    assert book.proof_of(DIGEST) is None
    assert len(caplog.records) == 1
    book.close()


def test_two_processes_write_to_one_book(place):
    one, two = ProofBook(place), ProofBook(place)
    one.note_proof(DIGEST, FILE, 1.0)
    two.note_proof(OTHER, FILE, 1.0)
    assert (one.proof_of(OTHER), two.proof_of(DIGEST)) == (FILE, FILE)
    one.close(), two.close()


def spoilt(book, place, statement, *values):
    """The book, reopened after a disk changed what is in it."""
    book.close()
    connection = sqlite3.connect(place)
    with connection:
        connection.execute(statement, values)
    connection.close()
    return ProofBook(place)


@pytest.mark.parametrize("identity", ["1 2 3 4 764x", "", "1 2 3", "1" * 5000 + " 2 3 4 5", b"\xff\xfe 1", 7.5])
def test_a_proof_that_cannot_be_read_is_dropped_alone_and_made_again(place, caplog, identity):
    book = ProofBook(place)
    book.note_proofs({DIGEST: FILE, OTHER: FILE}, 10.0)
    key = bytes.fromhex(DIGEST)
    book = spoilt(book, place, "UPDATE proofs SET identity = CAST(? AS TEXT) WHERE digest = ?", identity, key)
    assert (book.proof_of(DIGEST), book.proof_of(DIGEST), book.proof_of(OTHER)) == (None, None, FILE)
    assert book.faults == len(caplog.records) == 1
    assert str(place) in caplog.text and DIGEST in caplog.text
    book.note_proof(DIGEST, FILE, 11.0)
    assert (book.proof_of(DIGEST), book.faults) == (FILE, 1)
    book.close()


@pytest.mark.parametrize("moment", ["never", b"\xff", "inf", 9e999, -5.0])
def test_when_a_blob_was_read_is_never_if_that_cannot_be_read(place, moment):
    book = ProofBook(place)
    book.note_proof(DIGEST, FILE, 10.0)
    book = spoilt(book, place, "UPDATE proofs SET read_at = ?", moment)
    assert (book.read_at(DIGEST), book.faults) == (0.0, 1)
    book.close()


@pytest.mark.parametrize(
    ("column", "value"),
    [("fault", "wrmng"), ("identity", "1 2 3 4 x"), ("identity", "1 2"), ("app", b"\xff"), ("digest", "text")],
)
def test_damage_that_cannot_be_read_is_forgotten_alone(place, caplog, column, value):
    """The blob has no proof, so it is read before it is served."""
    book = ProofBook(place)
    book.note_damage(DIGEST, WRONG)
    book.note_damage(OTHER, WRONG)
    book = spoilt(book, place, f"UPDATE damage SET {column} = ? WHERE digest = ?", value, bytes.fromhex(DIGEST))
    assert book.damage() == {OTHER: WRONG}
    assert book.faults == len(caplog.records) == 1
    assert book.damage() == {OTHER: WRONG}
    assert book.faults == 1  # it is gone
    book.close()


def test_a_book_whose_pages_are_damaged_while_it_is_open_is_made_again(place, caplog):
    book = ProofBook(place)
    book.note_proofs({f"{n:064x}": FILE for n in range(2000)}, 1.0)
    book.close()
    content = bytearray(place.read_bytes())
    content[4096:] = bytes(len(content) - 4096)
    place.write_bytes(content)
    book = ProofBook(place)
    assert book.damage() == {} and book.proof_of(f"{7:064x}") is None
    book.note_proof(DIGEST, FILE, 1.0)
    assert book.proof_of(DIGEST) == FILE
    assert book.faults == len(caplog.records) == 1 and str(place) in caplog.text
    book = reopened(book, place)
    assert (book.proof_of(DIGEST), book.faults) == (FILE, 0)
    book.close()


@pytest.mark.parametrize("suffix", ["", "-wal", "-shm"])
@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_something_else_in_the_books_place_stops_nobody(place, suffix, make):
    make(place.with_name(place.name + suffix))
    book = ProofBook(place)
    book.note_proof(DIGEST, FILE, 1.0)
    assert book.proof_of(DIGEST) == FILE
    book.close()
