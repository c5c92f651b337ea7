"""What is read of a JSON text: the members that are asked for, as any reader has them, and nothing of the rest."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.wire.body import WireError
from edge.wire.members import (
    COLONS_LIMIT,
    FLAG,
    NUMBER,
    NUMBER_LIMIT_BYTES,
    TEXT,
    UNREAD,
    WINDOW_BYTES,
    Container,
    Members,
    count_structure,
    read_any,
    read_items,
    read_object,
    read_scalar,
    start_of,
    without_lone_surrogates,
)

MEMBERS = Members({"text": TEXT, "flag": FLAG, "number": NUMBER, "rest": UNREAD})

texts = st.text(st.characters() | st.characters(categories=["Cs"]), max_size=8)
numbers = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
scalars = st.none() | st.booleans() | numbers | texts
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=6
)
names = st.sampled_from(["text", "flag", "number"]) | texts.filter(lambda name: name != "rest")


def valid(value: object) -> object:
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


@given(st.dictionaries(names, values, max_size=6), st.booleans())
def test_members_are_read_as_any_reader_reads_them(given, escaped):
    text = json.dumps(given, ensure_ascii=True).encode()
    if not escaped:
        text = json.dumps(given, ensure_ascii=False).encode("utf-8", "replace")
    found = MEMBERS.read(text)
    if not given:
        assert found is None
        return
    assert found is not None
    for name in ("text", "flag", "number"):
        value = given.get(name)
        if isinstance(value, dict | list):
            assert isinstance(found[name], Container) and bool(found[name]) is bool(value)
        else:
            assert found.get(name) == valid(value)


@given(
    st.lists(st.sampled_from(["\\", "\\\\", "\\n", "\\ud83d", "\\ude00", "\\uD83D", "\\u0041", "u", "d", "😀", "a"]))
)
def test_a_lone_surrogate_is_replaced_wherever_it_is(pieces):
    text = '"' + "".join(pieces) + '"'
    try:
        value = json.loads(text)
    except ValueError:
        with pytest.raises(WireError):
            read_any(text.encode())
        return
    assert read_scalar(without_lone_surrogates(text.encode())) == valid(value)
    assert MEMBERS.read(b'{"text":' + text.encode() + b"}") == {"text": valid(value)}


@pytest.mark.parametrize("unit", [rb"\n", rb"\ud83d\ude00", rb"\ud83d", rb"\ude00", rb"\\", rb"\\ud83d", b"x"])
@pytest.mark.parametrize("shift", range(13))
def test_many_escapes_are_repaired_across_windows(unit, shift):
    text = b'"' + b"y" * shift + unit * (2 * WINDOW_BYTES // len(unit)) + rb"\ud83d\ude00" + b'"'
    assert read_scalar(without_lone_surrogates(text)) == valid(json.loads(text))


def test_broken_utf8_is_replaced_across_windows():
    text = b'"' + b"\xff" + b"x" * (WINDOW_BYTES - 3) + "é".encode() * 3 + b'\xc3"'
    assert read_scalar(text) == "\ufffd" + "x" * (WINDOW_BYTES - 3) + "ééé\ufffd"


@pytest.mark.parametrize(
    "text", [b"", b" ", b"{", b'{"a":1}x', b'{"a":NaN}', b"[1,]", b'"\n"', b"[" * 60_000, b'{"a":' * 9_000, b"\xff"]
)
def test_what_is_no_json_is_refused(text):
    for read in (MEMBERS.read, read_any):
        with pytest.raises(WireError) as caught:
            read(text)
        assert (caught.value.status, caught.value.code) == (400, "invalid_json_parse_body")


@pytest.mark.parametrize("text", [b"[]", b"1", b'"x"', b"null", b"9" * 5_000, b"{}", b" { } "])
def test_what_has_no_members_is_none(text):
    assert MEMBERS.read(text) is None


def test_an_object_with_other_members_only_is_not_empty():
    assert MEMBERS.read(b'{"other":[[[{}]]]}') == {}


@pytest.mark.parametrize("text", [b"[]", b"{}", b"[ ]", b"{\n}"])
def test_an_empty_container_is_false(text):
    assert not read_scalar(text)


@pytest.mark.parametrize("text", [b"[0]", b'{"a":1}', b"1" * (NUMBER_LIMIT_BYTES + 1)])
def test_what_is_too_much_for_a_value_is_not_built(text):
    assert isinstance(read_scalar(text), Container) and read_scalar(text)


def test_a_number_beyond_every_float_is_infinite():
    assert MEMBERS.read(b'{"number":1e999}') == {"number": float("inf")}


def test_the_first_items_are_read_and_one_more_says_that_there_are_others():
    text = json.dumps(list(range(10))).encode()
    for limit, read in ((3, 4), (9, 10), (10, 10), (11, 10)):
        assert [bytes(item) for item in read_items(text, limit)] == [b"%d" % n for n in range(read)]


def test_an_unread_object_is_read_by_its_names():
    found = MEMBERS.read(rb'{"rest":{"a":[1],"\ud800":"\ud800"}}')
    assert found is not None
    assert {name: bytes(raw) for name, raw in read_object(found["rest"]).items()} == {"a": b"[1]", "?": b'"?"'}
    assert read_object(b'{"\xff":1}').keys() == {"\ufffd"}


def test_an_object_with_too_many_members_is_not_read():
    assert len(read_object(json.dumps({str(n): n for n in range(COLONS_LIMIT)}).encode())) == COLONS_LIMIT
    assert read_object(json.dumps({str(n): n for n in range(COLONS_LIMIT + 1)}).encode()) == {}
    assert read_object(b"[1]") == {}


def test_structure_is_counted_until_there_is_too_much():
    assert count_structure(b'{"a": [1, true]}', 100) == len('{"":[,]}  ')
    assert count_structure(b"[" * (3 << 20), 10) < 2 << 20


def test_the_start_is_what_follows_white_space():
    assert [start_of(text) for text in (b"", b" \n", b"\t\r\n {", b"[")] == [b"", b"", b"{", b"["]
