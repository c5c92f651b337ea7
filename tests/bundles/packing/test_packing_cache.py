"""What was compressed before is taken again only when it is intact, and never changes what a bundle is."""

import hashlib
import os
import threading
import zlib
from pathlib import Path

import brotli
import deflate
import pytest

from edge.bundles.packing.cache import PackingCache, PlainFile
from edge.bundles.packing.effort import FAST, SMALLEST
from edge.bundles.packing.pack import Packed, pack_files
from edge.bundles.packing.reuse import NodeBlob
from edge.bundles.sources.read import read_source
from edge.domain.manifest import packed_entries, parse_manifest
from edge.domain.model import Digest

TEXT = " ".join(f"word{n % 977} is {n}" for n in range(4000)).encode()
NOISE = os.urandom(20_000)
SITE = {
    "index.html": b"<html>",
    "a.js": TEXT,
    "b/c.css": TEXT[::-1],
    "x.br": TEXT[:20],
    "noise.bin": NOISE,
    "n.br": NOISE,
}
PLAIN = Digest("a" * 64)
BODY = [b"one", b"two"]


@pytest.fixture
def site(tmp_path):
    for name, plain in SITE.items():
        (tmp_path / "site" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "site" / name).write_bytes(plain)
    return tmp_path / "site"


@pytest.fixture
def cache(tmp_path):
    return PackingCache(tmp_path / "memory")


@pytest.fixture
def packed(site, tmp_path):
    numbers = iter(range(100))

    def pack(**options) -> Packed:
        workdir = tmp_path / f"work{next(numbers)}"
        workdir.mkdir()
        return pack_files(read_source(site, workdir).files, workdir, processes=1, **options)

    return pack


def same(one: Packed, other: Packed) -> bool:
    return (one.zip.digest, one.manifest, one.content) == (other.zip.digest, other.manifest, other.content)


class Compressing:
    """A progress that hears how many bytes brotli really had to compress."""

    bytes = 0

    def __call__(self, stage, done, total):
        if stage == "brotli":
            self.bytes = total


@pytest.fixture
def compressing():
    return Compressing()


def test_a_second_publish_compresses_nothing_and_is_the_same_bundle(packed, cache, compressing):
    first, plain = packed(cache=cache), packed()
    second = packed(cache=cache, progress=compressing)
    assert compressing.bytes == 0
    assert same(first, second) and same(first, plain)
    assert {d: b.path.read_bytes() for d, b in first.blobs.items()} == {
        d: b.path.read_bytes() for d, b in second.blobs.items()
    }


def test_one_changed_file_is_the_one_that_is_compressed(packed, cache, compressing, site):
    packed(cache=cache)
    (site / "a.js").write_bytes(TEXT + b"!")
    changed = packed(cache=cache, progress=compressing)
    assert compressing.bytes == len(TEXT) + 1 and same(changed, packed())


def test_a_fast_publish_leaves_nothing_that_a_thorough_one_would_take(packed, cache):
    fast, slow = packed(cache=cache, packing=FAST), packed(cache=cache)
    assert same(slow, packed()) and not same(slow, fast) and fast.content == slow.content
    assert same(packed(cache=cache, packing=FAST), fast)


def test_equal_bytes_that_must_and_that_need_not_be_compressed_do_not_mix(packed, cache, site):
    first = packed(cache=cache)
    names = {entry.name for entry in first.entries}
    assert "noise.bin" in names and "n.br.br" in names  # the same bytes
    (site / "n.br").rename(site / "m.bin")
    assert {"noise.bin", "m.bin"} < {entry.name for entry in packed(cache=cache).entries}


def entries_of(memory_root: Path) -> list[Path]:
    return sorted(path for path in memory_root.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[:20],
        lambda content: content[:-1],
        lambda content: content + b"x",
        lambda content: content[:-1] + bytes([content[-1] ^ 1]),
        lambda content: content[:9] + bytes([content[9] ^ 1]) + content[10:],
        lambda content: b"edgepk9\n" + content[8:],
    ],
    ids=["empty", "cut head", "cut", "longer", "other body", "other head", "other magic"],
)
def test_what_is_damaged_is_compressed_again_and_mended(packed, cache, tmp_path, damage):
    first = packed(cache=cache)
    intact = {path: path.read_bytes() for path in entries_of(tmp_path / "memory")}
    for path, content in intact.items():
        path.write_bytes(damage(content))
    assert same(packed(cache=cache), first)
    assert {path: path.read_bytes() for path in entries_of(tmp_path / "memory")} == intact


def test_what_was_kept_comes_back(cache, tmp_path):
    cache.keep("a", PLAIN, PlainFile(7, 9), BODY)
    cached = cache.restore("a", PLAIN, tmp_path / "out")
    assert (cached.plain, cached.bytes, (tmp_path / "out").read_bytes()) == (PlainFile(7, 9), 6, b"onetwo")
    assert cache.restore("b", PLAIN, tmp_path / "other") is None and not (tmp_path / "other").exists()


def test_a_folder_that_cannot_be_written_is_as_if_there_were_none(packed, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    assert same(packed(cache=PackingCache(tmp_path / "file" / "below")), packed())


def test_the_oldest_use_goes_first_and_leftovers_go_after_a_day(tmp_path):
    cache = PackingCache(tmp_path / "memory", limit_bytes=1000)
    digests = [Digest(f"{n:064x}") for n in range(5)]
    for n, digest in enumerate(digests):
        cache.keep("a", digest, PlainFile(0, 300), [b"x" * 300])
        os.utime(cache._place("a", digest), (n, n))
    for name, age in (("young.part", 10), ("old.part", 2 * 86_400)):
        (tmp_path / "memory" / name).write_bytes(b"")
        os.utime(tmp_path / "memory" / name, (1_000_000 - age, 1_000_000 - age))
    cache.restore("a", digests[0], tmp_path / "out")  # used just now
    PackingCache(tmp_path / "memory", limit_bytes=1000).trim(1_000_000)  # kept nothing: does not even look
    assert len(entries_of(tmp_path / "memory")) == 7
    cache.trim(1_000_000)
    assert [cache.restore("a", digest, tmp_path / f"{digest}") is not None for digest in digests] == [
        True, False, False, False, True,
    ]  # fmt: skip
    assert (tmp_path / "memory/young.part").exists() and not (tmp_path / "memory/old.part").exists()


def test_many_at_once_keep_and_recall_whole_entries(cache, tmp_path):
    bodies = [bytes([n]) * 50_000 for n in range(8)]
    wrong = []

    def use(n):
        for turn in range(10):
            cache.keep("a", PLAIN, PlainFile(n, 50_000), [bodies[n]])
            cached = cache.restore("a", PLAIN, tmp_path / f"{n}-{turn}")
            if cached is None or (tmp_path / f"{n}-{turn}").read_bytes() != bodies[cached.plain.crc32]:
                wrong.append(n)

    threads = [threading.Thread(target=use, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def deflated(plain):
    return zlib.compress(plain)[2:-4]


WRONG = [
    ("a.js", SMALLEST.brotli_label, b"no brotli"),
    ("a.js", SMALLEST.brotli_label, brotli.compress(b"other")),
    ("a.js", SMALLEST.brotli_label, brotli.compress(TEXT + b"x")),
    ("a.js", SMALLEST.brotli_label, brotli.compress(TEXT)[:-1]),
    ("a.js", SMALLEST.brotli_label, brotli.compress(TEXT) + b"x"),
    ("x.br", f"{SMALLEST.brotli_label}-always", b""),
    ("x.br", f"{SMALLEST.brotli_label}-always", brotli.compress(b"other")),
    ("a.js", SMALLEST.deflate_label, b""),
    ("a.js", SMALLEST.deflate_label, zlib.compress(TEXT)),
    ("a.js", SMALLEST.deflate_label, deflated(b"other")),
    ("a.js", SMALLEST.deflate_label, deflated(TEXT + b"x")),
    ("a.js", SMALLEST.deflate_label, deflated(TEXT)[:-1]),
    ("a.js", SMALLEST.deflate_label, deflated(TEXT) + b"x"),
]


@pytest.mark.long
@pytest.mark.parametrize(("name", "label", "body"), WRONG)
def test_an_intact_entry_of_other_bytes_is_made_again(packed, cache, name, label, body):
    """Its proof is of the entry's own bytes; whoever else writes there can make one."""
    plain = SITE[name]
    digest = Digest(hashlib.sha256(plain).hexdigest())
    cache.keep(label, digest, PlainFile(zlib.crc32(plain), len(plain)), [body])
    place = cache._place(label, digest)
    wrong = place.read_bytes()
    assert same(packed(cache=cache), packed())
    assert place.read_bytes() != wrong


def test_an_entry_that_lies_about_its_crc_is_made_again(packed, cache):
    digest = Digest(hashlib.sha256(TEXT).hexdigest())
    cache.keep(SMALLEST.deflate_label, digest, PlainFile(7, len(TEXT)), [deflated(TEXT)])
    assert same(packed(cache=cache), packed())


# What the node has


def test_what_the_node_has_is_neither_compressed_nor_here(packed, compressing):
    plain = packed()
    known = {
        entry.hash: NodeBlob(entry.blob, entry.bytes) for entry in packed_entries(plain.manifest, SMALLEST.brotli_label)
    }
    asked = packed(
        ask=lambda digests: {digest: known[digest] for digest in digests if digest in known}, progress=compressing
    )
    assert same(asked, plain)
    assert compressing.bytes == len(NOISE)  # noise.bin, to find again that it does not pay
    assert all(digest not in asked.blobs for digest in (prepared.blob for prepared in known.values()))


def test_a_blob_that_was_made_where_it_had_to_be_is_not_taken_where_it_does_not_pay(packed):
    plain = packed()
    larger = {entry.hash: NodeBlob(entry.blob, entry.bytes) for entry in plain.entries if entry.name == "n.br.br"}
    assert same(packed(ask=lambda digests: larger), plain)


def padded(plain, bytes_more):
    """Brotli with a block of metadata, which decodes to nothing."""
    stream = brotli.Compressor()
    block = (6 | (2 << 4) | ((bytes_more - 1) << 6)).to_bytes(3, "little") + bytes(bytes_more)
    return stream.process(plain) + stream.flush() + block + stream.finish()


def test_a_blob_of_the_node_that_was_made_large_is_not_taken(packed):
    heavy = padded(TEXT, 30_000)
    assert brotli.decompress(heavy) == TEXT and len(heavy) < len(TEXT)
    digest = Digest(hashlib.sha256(TEXT).hexdigest())
    known = {digest: NodeBlob(Digest(hashlib.sha256(heavy).hexdigest()), len(heavy))}
    assert same(packed(ask=lambda digests: known), packed())


def test_the_node_is_asked_only_for_what_is_not_remembered(packed, cache):
    packed(cache=cache)
    packed(cache=cache, ask=lambda digests: pytest.fail("nothing to ask for"))


def test_a_manifest_tells_how_it_was_packed_and_to_nobody_else(packed):
    document = packed(packing=FAST).manifest
    assert packed_entries(document, SMALLEST.brotli_label) == ()
    assert {e.name for e in packed_entries(document, FAST.brotli_label)} == {
        "a.js.br",
        "b/c.css.br",
        "x.br.br",
        "n.br.br",
    }
    assert len(parse_manifest(document)) == len(SITE)


def test_labels_name_the_libraries():
    assert brotli.__version__ in SMALLEST.brotli_label
    assert zlib.ZLIB_RUNTIME_VERSION in SMALLEST.deflate_label and deflate.__version__ in SMALLEST.deflate_label
    assert len({SMALLEST.brotli_label, FAST.brotli_label, SMALLEST.deflate_label, FAST.deflate_label}) == 4
