"""The manifest document and the names in it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.domain.errors import Invalid
from edge.domain.manifest import (
    FILE_COUNT_LIMIT,
    NAME_LIMIT_BYTES,
    check_name,
    check_names,
    check_targets,
    content_digest,
    encode_manifest,
    parse_manifest,
    target_name,
)
from edge.domain.model import Digest, FileEntry

HASH = Digest("a" * 64)
BLOB = Digest("b" * 64)


def entry(name: str = "index.html", size: int = 1) -> FileEntry:
    return FileEntry(name, HASH, BLOB, size)


def code_of(check, *arguments) -> str:
    with pytest.raises(Invalid) as caught:
        check(*arguments)
    return caught.value.code


@pytest.mark.parametrize(
    "name",
    [
        "a",
        "index.html",
        "a/b/c.js",
        "ä/ö.txt",
        "a b/c (1).js",
        ".well-known/x",
        "..a",
        "a..",
        "...",
        "x.br",
        "日本/🎉.png",
    ],
)
def test_ordinary_names_are_safe(name):
    check_name(name)


@pytest.mark.parametrize(
    "name",
    [
        *("", "/", "/etc/passwd", "a/", "a//b", "../x", "a/../b", "a/..", "..", ".", "./a", "a/./b"),
        *("a\\b", "..\\x", "C:/x", "c:x", "a\0b", "a\nb", "a\x7f", "a\x85b", "\ud800", "a\u202egnp.js", "a\u2067b"),
        *("a" * 256, "ä" * 128, "a/" + "b" * 256 + "/c", "a/" * (NAME_LIMIT_BYTES // 2) + "b"),
    ],
)
def test_names_that_leave_the_folder_or_no_device_can_write_are_refused(name):
    assert code_of(check_name, name) == "unsafe_name"


@pytest.mark.parametrize("name", ["a" * 255, "/".join(["a" * 127] * 4)])
def test_the_longest_names(name):
    check_name(name)


@pytest.mark.parametrize("name", [".br", "a/.br", "...br", "a/...br", "..br"])
def test_names_that_become_unsafe_without_their_suffix_are_refused(name):
    check_name(name)
    assert code_of(check_names, ["index.html", name]) == "unsafe_name"


@pytest.mark.parametrize(
    "names",
    [
        ["a.js", "a.js"],
        ["a.js", "A.js"],
        ["a.js", "a.js.br"],
        ["a.js.br", "A.JS"],
        ["straße", "STRASSE"],
        ["caf\u00e9.js", "cafe\u0301.js"],
        ["a", "a/b"],
        ["a/b", "a"],
        ["A", "a/b/c"],
        ["x/y.js.br", "x/Y.js/z"],
    ],
)
def test_two_files_in_one_place_are_refused(names):
    assert code_of(check_names, names) == "duplicate_name"


@pytest.mark.parametrize(
    "names",
    [["a.js.br", "a.js.br.br"], ["a", "b/a"], ["a", "ab/c"], ["a.br/x", "a"], ["A/x", "a/y"], ["a/b", "a/c"]],
)
def test_files_in_different_places_are_fine(names):
    check_names(names)


def test_targets_keep_their_suffix():
    check_targets(["a.js", "a.js.br"])


def test_the_limit_of_files():
    names = [f"f{number}" for number in range(FILE_COUNT_LIMIT)]
    check_names(names)
    assert code_of(check_names, [*names, "one more"]) == "invalid_manifest"
    assert code_of(check_names, []) == "invalid_manifest"


@given(
    st.dictionaries(
        st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=8).map(str.lower),
        st.tuples(st.integers(0, 2**256 - 1), st.integers(0, 2**40)),
        min_size=1,
        max_size=8,
    )
)
def test_what_is_encoded_is_parsed_again_in_order(files):
    entries = [
        FileEntry(name, Digest(f"{number:064x}"), Digest(f"{number:064x}"), size)
        for name, (number, size) in files.items()
    ]
    assert parse_manifest(encode_manifest(entries)) == tuple(sorted(entries))


def test_the_document_is_golden():
    document = b'{"format":1,"files":[{"name":"index.html","hash":"%s","blob":"%s","bytes":1}]}'
    assert encode_manifest([entry()]) == document % (HASH.encode(), BLOB.encode())


@pytest.mark.parametrize(
    "document",
    [
        *(
            b"",
            b"{}",
            b"[]",
            b"\xff",
            b'{"format":1,"files":[]}',
            b'{"format":2,"files":[]}',
            b'{"format":1,"files":{}}',
        ),
        encode_manifest([entry(size=-1)]),
        encode_manifest([entry()]).replace(b'"format":1', b'"format":2'),
        encode_manifest([entry()]).replace(b'"bytes":1', b'"bytes":"1"'),
        encode_manifest([entry()])[:-1],
        encode_manifest([entry()])[:-1] + b',"more":' + b'{"a":' * 3000,
    ],
)
def test_damaged_documents_are_refused(document):
    assert code_of(parse_manifest, document) == "invalid_manifest"


def test_digests_in_the_document_are_checked():
    assert code_of(parse_manifest, encode_manifest([entry()]).replace(HASH.encode(), b"A" * 64)) == "invalid_digest"


def test_target_name_strips_one_suffix():
    assert [target_name(name) for name in ("a", "a.br", "a.br.br", "a.BR")] == ["a", "a", "a.br", "a.BR"]


def test_the_content_digest_ignores_order_and_is_golden():
    files = [("b", BLOB), ("a", HASH)]
    assert content_digest(files) == content_digest(reversed(files))
    assert content_digest(files) != content_digest([("b", HASH), ("a", BLOB)])
    assert content_digest([("a", HASH)]) == "233f15f42a790f5e01a6b6d83d26abeba414e9709422e329eb2de9c4a51375bd"


SIGNED = "5a" * 256


def test_signed_hashes_are_kept_and_absent_from_plain_manifests():
    signed = [entry("a")._replace(signed=SIGNED), entry("b")._replace(signed=SIGNED)]
    assert parse_manifest(encode_manifest(signed)) == tuple(signed)
    assert b"signed" not in encode_manifest([entry()])


def test_a_manifest_of_before_there_was_encryption_is_read():
    document = b'{"format":1,"files":[{"name":"index.html","hash":"%b","blob":"%b","bytes":1}]}'
    document %= (HASH.encode(), BLOB.encode())
    assert parse_manifest(document) == (entry(),)
    assert encode_manifest([entry()]) == document


@pytest.mark.parametrize("signed", ["x", "5A" * 256, "5a" * 255, "5a" * 257, "a" * 64])
def test_signed_hashes_of_another_form_are_refused(signed):
    assert code_of(parse_manifest, encode_manifest([entry()._replace(signed=signed)])) == "invalid_manifest"


def test_files_are_signed_all_or_none():
    mixed = [entry("a")._replace(signed=SIGNED), entry("b")]
    assert code_of(parse_manifest, encode_manifest(mixed)) == "invalid_manifest"
