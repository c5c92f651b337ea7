"""The patches document, and the table that a worker holds."""

import random

import msgspec
import pytest

from edge.domain.errors import Invalid
from edge.domain.patches.document import PATCHES_LIMIT, Patch, encode_patches, parse_patches
from edge.domain.patches.table import PatchTable


def digest(number):
    return random.Random(number).randbytes(32).hex()


def patch(new, old, blob):
    return Patch(digest(new), digest(old), digest(blob), 10)


PATCHES = [patch(1, 2, 3), patch(1, 4, 5), patch(6, 2, 7)]


def test_a_document_is_read_as_it_was_written_whatever_the_order():
    document = encode_patches(PATCHES)
    assert document == encode_patches(reversed(PATCHES))
    assert sorted(parse_patches(document)) == sorted(PATCHES)


def changed(**members):
    document = msgspec.json.decode(encode_patches(PATCHES))
    return msgspec.json.encode(document | members)


def rows(**members):
    return [{"old": digest(1), "new": digest(2), "blob": digest(3), "bytes": 5} | members]


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"[" * 100_000,
        changed(format=2),
        changed(patches=[]),
        changed(patches=rows(bytes=0)),
        changed(patches=rows(old=digest(2))),
        changed(patches=rows() * 2),
        changed(patches=rows() * (PATCHES_LIMIT + 1)),
    ],
    ids=["empty", "deep", "format", "none", "no bytes", "same file", "twice", "many"],
)
def test_other_documents_are_refused(document):
    with pytest.raises(Invalid, match="patches document") as refused:
        parse_patches(document)
    assert refused.value.code == "invalid_patches"


def test_a_digest_that_is_none_is_refused():
    with pytest.raises(Invalid) as refused:
        parse_patches(changed(patches=rows(blob="../../etc/passwd")))
    assert refused.value.code == "invalid_digest"


def test_a_table_finds_each_patch_by_both_ends_and_nothing_else():
    table = PatchTable(PATCHES)
    assert [table.find(each.new, each.old) for each in PATCHES] == [each.blob for each in PATCHES]
    assert table.find(digest(6), digest(4)) is None
    assert table.find(digest(2), digest(1)) is None
    assert sorted(table.blobs()) == sorted(each.blob for each in PATCHES)


def test_an_empty_table_finds_nothing():
    assert PatchTable(()).find(digest(1), digest(2)) is None
    assert len(PatchTable(PATCHES)) == 3
