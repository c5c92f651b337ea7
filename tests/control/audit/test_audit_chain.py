"""A chain: what is written verifies, and whatever is altered, removed, moved or cut off is found."""

import hashlib
import os

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from edge.control.audit.chain.files import AuditFiles
from edge.control.audit.chain.journal import Journal
from edge.control.audit.chain.record import AuditRecord, Chain, Owner, Seal, build_group, digest_of_line, parse_line
from edge.control.audit.chain.verifying import Anchored, verify_chain
from edge.control.audit.entry import ActKind, ActOutcome, AuditEntry
from edge.store.disk.room import NoReserve
from edge.store.signing import Writer, key_id_of

OWNER = Owner("storeid", "nodeid")


def a_writer(seed=b"a"):
    private = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(seed).digest())
    public = private.public_key().public_bytes_raw()
    return Writer(key_id_of(public), public, private)


WRITER = a_writer()
KEYS = {WRITER.id: WRITER.public}


def an_entry(n=1, **fields):
    given = {"at": 1_700_000_000.0 + n, "kind": ActKind.CHANGE, "operation": "set_channel", "who": "anna@example.com"}
    return AuditEntry(
        **given | {"app": "com.acme.app", "target": f"name=production{n}", "address": "192.0.2.7"} | fields
    )


def groups(*sizes, writer=WRITER, owner=OWNER):
    """The content of a chain whose groups have these sizes, and where each group ends."""
    chain, at, contents, ends, n = Chain(), 0.0, [], [], 0
    for size in sizes:
        entries = [an_entry(n + each) for each in range(size)]
        content, chain, at = build_group(entries, chain, at, owner, writer)
        contents.append(content)
        ends.append(chain)
        n += size
    return contents, ends


def verify(content, anchored=None, keys=KEYS, owner=OWNER, *, sealed=True):
    return verify_chain([("chain", content)], owner, keys, anchored, sealed=sealed)


def codes(content, anchored=None, **given):
    return [fault.code for fault in verify(content, anchored, **given).faults]


def test_what_was_written_verifies():
    contents, ends = groups(1, 3, 2)
    found = verify(b"".join(contents), Anchored(Chain(), ends[-1]))
    assert (found.faults, found.records, found.first, found.end) == ([], 6, 1, ends[-1])
    assert found.keys == {WRITER.id: 3}


def test_an_older_anchor_is_in_the_chain():
    contents, ends = groups(1, 3, 2)
    assert codes(b"".join(contents), Anchored(Chain(), ends[0])) == []


def test_every_bit_that_is_flipped_is_found():
    contents, ends = groups(2, 1)
    content, anchored = b"".join(contents), Anchored(Chain(), ends[-1])
    missed = []
    for place in range(len(content)):
        altered = bytearray(content)
        altered[place] ^= 1 << place % 8
        if not codes(bytes(altered), anchored):
            missed.append((place, content[max(0, place - 20) : place + 20]))
    assert missed == []


def test_the_last_group_is_protected_by_its_seal_alone():
    """Without an anchor that knows it: whoever cannot sign cannot alter it."""
    content = b"".join(groups(2, 1)[0])
    missed = [
        place
        for place in range(len(content))
        if not codes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
    ]
    assert missed == []


def test_every_line_that_is_removed_or_twice_there_is_found():
    contents, ends = groups(2, 3, 1)
    lines, anchored = b"".join(contents).splitlines(keepends=True), Anchored(Chain(), ends[-1])
    for place in range(len(lines)):
        assert codes(b"".join(lines[:place] + lines[place + 1 :]), anchored), f"line {place} is gone"
        assert codes(b"".join(lines[:place] + [lines[place]] * 2 + lines[place + 1 :]), anchored), f"{place} twice"


def test_every_two_lines_that_change_places_are_found():
    contents, ends = groups(2, 3, 1)
    lines, anchored = b"".join(contents).splitlines(keepends=True), Anchored(Chain(), ends[-1])
    for one in range(len(lines)):
        for other in range(one):
            moved = list(lines)
            moved[one], moved[other] = moved[other], moved[one]
            assert codes(b"".join(moved), anchored), f"lines {one} and {other}"


def test_a_tail_that_is_cut_off_at_any_byte_is_found_by_the_anchor():
    contents, ends = groups(2, 1, 2)
    content, anchored = b"".join(contents), Anchored(Chain(), ends[-1])
    for length in range(len(content)):
        assert codes(content[:length], anchored), f"{length} of {len(content)} bytes"


def test_groups_that_are_cut_off_whole_are_truncated():
    contents, ends = groups(2, 1, 2)
    assert codes(b"".join(contents[:2]), Anchored(Chain(), ends[-1])) == ["truncated"]


def test_a_chain_that_is_written_anew_by_who_can_sign_is_not_the_anchored_one():
    _, ends = groups(2, 1)
    other = build_group([an_entry(7), an_entry(8), an_entry(9)], Chain(), 0.0, OWNER, WRITER).content
    assert codes(other, Anchored(Chain(), ends[-1])) == ["another_chain"]


def test_a_chain_that_is_written_anew_by_another_key_is_not_believed():
    stranger = a_writer(b"stranger")
    contents, _ = groups(2, writer=stranger)
    assert codes(b"".join(contents)) == ["unknown_key"]


@pytest.mark.parametrize("owner", [Owner("other", "nodeid"), Owner("storeid", "other")])
def test_seals_of_another_node_or_store_prove_nothing_here(owner):
    contents, _ = groups(2, owner=owner)
    assert codes(b"".join(contents)) == ["bad_seal"]


def test_a_chain_without_seals_is_refused_where_the_node_signs():
    contents, _ = groups(2, 1, writer=None)
    assert codes(b"".join(contents)) == ["unknown_key", "unknown_key"]
    assert codes(b"".join(contents), sealed=False) == []


def test_a_beginning_that_went_by_retention_is_known_by_the_anchor():
    contents, ends = groups(2, 1, 2)
    kept = b"".join(contents[1:])
    assert codes(kept, Anchored(ends[0], ends[-1])) == []
    assert codes(kept, Anchored(Chain(), ends[-1])) == ["missing_start"]
    assert codes(kept) == ["missing_start"]


def test_files_that_retention_has_yet_to_remove_are_no_fault():
    contents, ends = groups(2, 1, 2)
    assert codes(b"".join(contents), Anchored(ends[0], ends[-1])) == []


def test_a_broken_chain_that_the_node_recorded_stays_a_fault():
    entry = an_entry(
        kind=ActKind.NODE, operation="audit_broken", outcome=ActOutcome.FAILED, target="ended with record 3"
    )
    content, _, _ = build_group([entry], Chain(), 0.0, OWNER, WRITER)
    assert codes(content) == ["was_broken"]


def test_a_clock_that_is_set_back_does_not_reorder():
    content, _, _ = build_group([an_entry(9), an_entry(2)], Chain(), 1_700_000_012.5, OWNER, WRITER)
    assert [record.at for record in map(parse_line, content.splitlines()[:2])] == [1_700_000_012.5] * 2


@given(st.text(max_size=40), st.text(max_size=40))
def test_any_text_makes_one_line_that_reads_back(who, target):
    content = build_group([an_entry(who=who, target=target)], Chain(), 0.0, OWNER, WRITER).content
    record, seal = map(parse_line, content.splitlines())
    assert isinstance(record, AuditRecord) and isinstance(seal, Seal)
    assert (record.who, record.target, seal.previous) == (who, target, digest_of_line(content.splitlines()[0]))


@pytest.fixture
def files(tmp_path):
    return AuditFiles(tmp_path / "audit")


@pytest.fixture
def journal(files):
    return Journal(files, OWNER, WRITER, NoReserve())


def read(files):
    return b"".join(content for _, content in files.read())


def test_a_journal_goes_on_after_a_restart(files, journal):
    journal.commit([an_entry(1), an_entry(2)])
    Journal(AuditFiles(files.folder), OWNER, WRITER, NoReserve()).commit([an_entry(3)])
    assert (codes(read(files)), verify(read(files)).records) == ([], 3)


def test_two_processes_take_turns(files, journal):
    other = Journal(AuditFiles(files.folder), OWNER, WRITER, NoReserve())
    for n in range(4):
        (journal, other)[n % 2].commit([an_entry(n)])
    assert (codes(read(files)), verify(read(files)).records) == ([], 4)


def test_what_a_crash_left_at_any_byte_is_moved_aside_and_the_chain_goes_on(tmp_path):
    """Cut at every byte of the last group: what was acknowledged before it stays, and the next record says so."""
    contents, _ = groups(2, 2)
    whole = b"".join(contents)
    for length in range(len(contents[0]), len(whole)):
        files = AuditFiles(tmp_path / str(length))
        files.folder.mkdir()
        files.path_of(1).write_bytes(whole[:length])
        Journal(files, OWNER, WRITER, NoReserve()).commit([an_entry(9)])
        found = [record for record in map(parse_line, read(files).splitlines()) if isinstance(record, AuditRecord)]
        torn = length - len(contents[0])
        told = [record.operation for record in found][2:]
        assert codes(read(files)) == []
        assert told == (["audit_recovered", "set_channel"] if torn else ["set_channel"])
        aside = b"".join(path.read_bytes() for path in files.folder.glob("*.torn*"))
        assert aside == whole[len(contents[0]) : length]


def test_a_new_day_begins_a_new_file(files, journal):
    journal.commit([an_entry(1)])
    journal.commit([an_entry(1, at=1_700_000_000.0 + 86_400)])
    assert len(files.paths()) == 2
    assert verify_chain(files.read(), OWNER, KEYS, None).faults == []


def test_files_in_another_order_are_found(files, journal):
    for day in range(3):
        journal.commit([an_entry(1, at=1_700_000_000.0 + day * 86_400)])
    contents = [("a", content) for _, content in files.read()]
    assert [fault.code for fault in verify_chain([contents[i] for i in (0, 2, 1)], OWNER, KEYS, None).faults]


def test_files_are_readable_by_the_node_alone(files, journal):
    journal.commit([an_entry(1)])
    assert {path.stat().st_mode & 0o777 for path in files.folder.iterdir()} == {0o600}
    assert files.folder.stat().st_mode & 0o777 == 0o700


def test_a_link_in_the_place_of_a_file_is_not_written_through(files, journal, tmp_path):
    files.folder.mkdir()
    (tmp_path / "elsewhere").write_text("")
    os.symlink(tmp_path / "elsewhere", files.path_of(1))
    with pytest.raises(OSError):
        journal.commit([an_entry(1)])
    assert (tmp_path / "elsewhere").read_text() == ""
