"""Id sets: what an uploaded list may hold, the bytes of a set, and look-ups held against a plain set."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.domain.errors import Invalid
from edge.domain.model import parse_name
from edge.domain.targeting import id_sets
from edge.domain.targeting.id_sets import IdSet, encode_id_set, id_hash, parse_id_set, parse_ids

DEVICE = "00009a6b-eefe-490a-9c60-8e965132ae51"


@pytest.mark.parametrize(
    ("text", "hashed"),
    [
        ("", 0x2D06800538D394C2),
        (DEVICE, 0xE8BBB8138327BD06),
        (DEVICE.upper(), 0xE8BBB8138327BD06),
        (f" {DEVICE}\n", 0xE8BBB8138327BD06),
        ("user-7", 0xB1DE7A364DEF053E),
        ("канал", 0xE6B0CF8EAE0588B0),
    ],
)
def test_ids_hash_as_they_always_did(text, hashed):
    assert id_hash(text) == hashed


def test_only_a_uuid_has_no_case():
    assert id_hash("User-7") != id_hash("user-7")
    assert id_hash("{" + DEVICE[1:].upper()) != id_hash("{" + DEVICE[1:])


def test_a_set_is_the_same_bytes_on_every_machine():
    hashes = sorted([0xE8BBB8138327BD06, 0xB1DE7A364DEF053E])
    expected = b"edge ids" + struct.pack("<II", 1, 2) + b"".join(h.to_bytes(8, "little") for h in hashes)
    assert encode_id_set(["user-7", DEVICE, "user-7"]) == expected
    assert encode_id_set([DEVICE, " user-7 "]) == expected


IDS = st.text(max_size=36)


@given(st.sets(IDS, max_size=50), st.lists(IDS, max_size=20))
def test_a_set_holds_what_was_put_in(ids, others):
    held = parse_id_set(encode_id_set(ids))
    known = {text.strip() for text in ids}
    assert len(held) == len(known)
    assert all(text in held for text in ids)
    assert [text in held for text in others] == [text.strip() in known for text in others]


@pytest.mark.parametrize("count", [0, 1, 255, 256, 257, 4_095, 4_096, 70_000])
def test_sets_of_every_size_are_searched_whole(count):
    held = parse_id_set(memoryview(encode_id_set(f"in {n}" for n in range(count))))
    assert len(held) == count
    assert sum(f"in {n}" in held for n in range(count)) == count
    assert not any(f"out {n}" in held for n in range(1_000))


def test_chosen_hashes_crowd_nothing():
    crowded = memoryview(struct.pack("<3000Q", *range(3_000))).cast("Q")
    held = IdSet(crowded)
    assert all(held.holds(n) for n in range(3_000))
    assert not held.holds(3_000)
    assert not held.holds(2**64 - 1)


WHOLE = encode_id_set(f"id {n}" for n in range(9))


@pytest.mark.parametrize(
    ("damaged", "reason"),
    [
        (b"", "not an id set"),
        (WHOLE[:15], "not an id set"),
        (b"edge idz" + WHOLE[8:], "not an id set"),
        (WHOLE[:8] + struct.pack("<I", 2) + WHOLE[12:], "format 2 is not 1"),
        (WHOLE[:-1], "87 bytes cannot be an id set of 9 ids; the limit is 1000000"),
        (WHOLE + b"\0", "89 bytes cannot be an id set"),
        (WHOLE[:12] + struct.pack("<I", 2**32 - 1) + WHOLE[16:], "an id set of 4294967295 ids"),
        (WHOLE[:16] + WHOLE[24:32] + WHOLE[16:24] + WHOLE[32:], "not sorted"),
        (WHOLE[:24] + WHOLE[16:24] + WHOLE[32:], "not sorted"),
    ],
)
def test_what_is_no_set_is_refused(damaged, reason):
    with pytest.raises(Invalid, match=reason) as refused:
        parse_id_set(damaged)
    assert refused.value.code == "invalid_id_set"


@given(st.binary(max_size=200))
def test_any_bytes_are_a_set_or_refused(noise):
    for bytes_ in (noise, WHOLE[:16] + noise):
        try:
            parse_id_set(bytes_)
        except Invalid as error:
            assert error.code == "invalid_id_set"


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        (b"a", ["a"]),
        (b"\xef\xbb\xbfa\r\nb\r\n", ["a", "b"]),
        (b"# testers\n\n  a  \n#b\n \nc d\n", ["a", "c d"]),
        (b"a\na\n", ["a", "a"]),
        ("ж".encode() * 36, ["ж" * 36]),
    ],
)
def test_a_list_has_one_id_a_line(text, ids):
    assert list(parse_ids(text)) == ids


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", "the list contains no id"),
        (b"# nobody\n\n", "the list contains no id"),
        (b"a\n\n" + b"b" * 37, "line 3: the id has 37 characters; the limit is 36"),
        (b"a\n\xff\n", "line 2: not UTF-8"),
        (b"# \xff\n", "line 1: not UTF-8"),
        (b"a\tb", r"line 1: 'a\\tb' contains a character"),
        (b"a\0b", r"line 1: 'a\\x00b' contains a character"),
    ],
)
def test_a_list_with_a_mistake_names_the_line(text, reason):
    with pytest.raises(Invalid, match=reason) as refused:
        list(parse_ids(text))
    assert refused.value.code == "invalid_ids"


def test_a_list_has_a_limit(monkeypatch):
    monkeypatch.setattr(id_sets, "IDS_LIMIT", 3)
    assert len(list(parse_ids(b"1\n2\n#\n3\n"))) == 3
    with pytest.raises(Invalid, match="line 5: the list exceeds the limit of 3 ids"):
        list(parse_ids(b"1\n2\n#\n3\n4\n"))
    monkeypatch.setattr(id_sets, "IDS_TEXT_LIMIT_BYTES", 5)
    with pytest.raises(Invalid, match="6 bytes; the limit is 5"):
        list(parse_ids(b"1\n2\n3\n"))


def test_a_million_ids_fit_their_limit():
    assert len(WHOLE) - 9 * 8 + id_sets.IDS_LIMIT * 8 <= 10_000_000


@pytest.mark.parametrize("text", ["vip", "a", "2026-testers_1.x", "a" * 64])
def test_a_sets_name(text):
    assert parse_name("id set", text) == text


@pytest.mark.parametrize("text", ["", "-a", "a b", "a/b", "ä", "a\n", "a" * 65])
def test_what_is_no_sets_name_is_refused(text):
    with pytest.raises(Invalid) as refused:
        parse_name("id set", text)
    assert refused.value.code == "invalid_id_set_name"
