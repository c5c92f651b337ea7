"""Which patches a publisher makes, and when it stops."""

import hashlib
import random
import zlib

import pytest

from edge.bundles.patches import making
from edge.bundles.patches.dcz import decode_dcz
from edge.bundles.patches.making import PATCHING_SECONDS, bounded, make_patches
from edge.bundles.patches.wanted import NewFile, OldFile, WantedPatch, earlier_releases, wanted_patches
from edge.domain.patches.document import parse_patches


def digest(content):
    return hashlib.sha256(content).hexdigest()


def old_file(content, version="1.0.0"):
    return OldFile(version, digest(content), digest(content), len(content), False)


OLD = {name: random.Random(name).randbytes(20_000) for name in ("a.js", "b.js", "c.js")}
NEW = {name: content + b"more" for name, content in OLD.items()}


def wanted(old=OLD, new=NEW, least_bytes=1):
    files = {name: NewFile(digest(content), len(content)) for name, content in new.items()}
    return wanted_patches(files, [{name: old_file(content) for name, content in old.items()}], least_bytes)


@pytest.fixture
def making_in(tmp_path):
    def make(wishes, *, old=OLD, new=NEW, clock=lambda: 0.0):
        paths = {name: tmp_path / f"new-{name}" for name in new}
        for name, path in paths.items():
            path.write_bytes(new[name])
        contents = {digest(content): content for content in old.values()}
        return make_patches(wishes, paths, lambda file: contents.get(file.hash), tmp_path / "patches", clock)

    return make


def test_each_changed_file_gets_a_patch_that_gives_it(making_in):
    made = making_in(wanted())
    assert parse_patches(made.files[made.document].read_bytes()) == tuple(sorted(made.patches))
    for patch in made.patches:
        old = next(content for content in OLD.values() if digest(content) == patch.old)
        stream = made.files[patch.blob].read_bytes()
        assert len(stream) == patch.bytes
        assert digest(b"".join(decode_dcz(stream, old, 1 << 20))) == patch.new
    assert len(made.patches) == 3
    assert made.left == 0


def test_the_same_file_a_new_one_and_a_small_one_get_none():
    new = NEW | {"a.js": OLD["a.js"], "new.js": bytes(5_000), "b.js": b"small"}
    assert [each.name for each in wanted(new=new, least_bytes=6)] == ["c.js"]


def test_the_largest_file_of_the_most_important_release_goes_first():
    new = {name: NewFile(digest(name.encode()), size) for name, size in (("a", 10), ("b", 30), ("c", 20))}
    first = {name: old_file(name.upper().encode(), "2.0.0") for name in "ac"}
    second = {name: old_file(name.upper().encode() + b"1", "1.0.0") for name in "ab"} | {"c": first["c"]}
    listed = [(each.old.version, each.name) for each in wanted_patches(new, [first, second], 1)]
    assert listed == [("2.0.0", "c"), ("2.0.0", "a"), ("1.0.0", "b"), ("1.0.0", "a")]


def test_releases_of_the_channel_go_before_the_newest_and_a_deleted_one_is_left_out():
    channel = {"now": ["3.0.0"], "earlier": ["2.0.0", "0.9.0"]}
    newest_first = ["4.0.0", "5.0.0-beta", "3.0.0", "2.0.0", "1.0.0"]
    assert earlier_releases("4.0.0", channel, newest_first, 3) == ["3.0.0", "2.0.0", "5.0.0-beta"]
    assert earlier_releases("4.0.0", {}, newest_first, 2) == ["5.0.0-beta", "3.0.0"]
    assert earlier_releases("4.0.0", channel, newest_first, 0) == []


def test_a_patch_that_saves_little_is_not_kept(making_in):
    """The file has nothing in common with the old one, and compresses as well without it."""
    text = b" ".join(str(number).encode() for number in range(20_000))
    new = {"a.js": text}
    wishes = [WantedPatch("a.js", digest(text), len(zlib.compress(text, 9)), old_file(OLD["a.js"]))]
    wishes = [each._replace(other_bytes=min(each.other_bytes, 10_000)) for each in wishes]
    assert making_in(wishes, new=new) is None


def test_an_old_file_that_cannot_be_had_is_passed_over(making_in):
    made = making_in(wanted(), old={name: OLD[name] for name in ("a.js", "b.js")})
    assert len(made.patches) == 2


def test_no_patch_is_begun_after_the_time(making_in):
    """The clock is read at the start and before each patch."""
    ticks = iter([0.0, 1.0, PATCHING_SECONDS])
    made = making_in(wanted(), clock=lambda: next(ticks))
    assert (len(made.patches), made.left) == (1, 2)


def test_a_large_or_an_altered_old_file_is_none(monkeypatch):
    monkeypatch.setattr(making, "PATCHED_LIMIT_BYTES", 10)
    assert bounded([b"12345", b"67890"], digest(b"1234567890")) == b"1234567890"
    assert bounded([b"12345", b"678901"], digest(b"12345678901")) is None
    assert bounded([b"12345"], digest(b"other")) is None
