"""The server believes nothing: hostile zips, brotli bombs, and manifests that do not match."""

import hashlib
import os
import tempfile
import tracemalloc
import zipfile
import zlib
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import brotli
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from zip_bytes import FOLDER, SYMLINK, Member, build_zip, deflate

from edge.bundles.limits import CHUNK_BYTES, ENTRY_RATIO_FREE_BYTES, ENTRY_RATIO_LIMIT, MANIFEST_LIMIT_BYTES, MIB
from edge.bundles.packing.pack import pack
from edge.bundles.sources.selection import JUNK_NAMES, JUNK_PREFIX, build_selection
from edge.bundles.verification.verify import VerifiedBundle, verify_bundle
from edge.bundles.zip.reader import read_directory, unpack
from edge.domain.errors import EdgeError, Invalid, TooLarge
from edge.domain.file_names import NameFacts
from edge.domain.manifest import FILE_COUNT_LIMIT, content_digest, encode_manifest
from edge.domain.model import Digest, FileEntry
from edge.store.objects.fs import FsStore
from edge.store.objects.port import blob_key

PAGE = b"<!doctype html><title>hi</title>"
SCRIPT = b"".join(b"export const v%d = %d;\n" % (n, n * n) for n in range(1000))


@pytest.fixture
def store(tmp_path):
    return FsStore(tmp_path / "store")


def sha256(data: bytes) -> Digest:
    return Digest(hashlib.sha256(data).hexdigest())


def put(store, data: bytes) -> Digest:
    scratch = store.scratch()
    scratch.write_bytes(data)
    store.adopt(blob_key(sha256(data)), scratch)
    return sha256(data)


def zip_of(files: dict[str, bytes]) -> bytes:
    return build_zip(*(Member(name, plain) for name, plain in files.items()))


def plain_entry(store, name: str, data: bytes) -> FileEntry:
    digest = put(store, data)
    return FileEntry(name, digest, digest, len(data))


def brotli_entry(store, name: str, plain: bytes, blob: bytes) -> FileEntry:
    return FileEntry(name, sha256(plain), put(store, blob), len(blob))


def verify(store, archive: bytes, entries: list[FileEntry]) -> VerifiedBundle:
    return verify_bundle(store, zip=put(store, archive), manifest=put(store, encode_manifest(entries)))


def refusal(store, archive: bytes, entries: list[FileEntry] | None = None) -> EdgeError:
    listed = [plain_entry(store, "index.html", PAGE)] if entries is None else entries
    with pytest.raises(EdgeError) as caught:
        verify(store, archive, listed)
    return caught.value


def test_an_honest_bundle_is_described(store):
    archive = zip_of({"index.html": PAGE, "ä/app.js": SCRIPT, "empty": b""})
    entries = [
        brotli_entry(store, "ä/app.js.br", SCRIPT, brotli.compress(SCRIPT, lgwin=21)),
        plain_entry(store, "index.html", PAGE),
        plain_entry(store, "empty", b""),
    ]
    verified = verify(store, archive, entries)
    assert verified == VerifiedBundle(
        zip_bytes=len(archive),
        zip_crc32=f"{zlib.crc32(archive):08x}",
        content=content_digest({"index.html": sha256(PAGE), "ä/app.js": sha256(SCRIPT), "empty": sha256(b"")}.items()),
        files=3,
        plain_bytes=len(PAGE) + len(SCRIPT),
        names=NameFacts(longest_bytes=10, longest_listed_bytes=10, same=False, same_and_equal=False),
        plain_files=True,
    )


def test_the_plain_bytes_of_packed_files_become_blobs(store):
    entries = [
        brotli_entry(store, "app.js.br", SCRIPT, brotli.compress(SCRIPT, lgwin=21)),
        plain_entry(store, "index.html", PAGE),
    ]
    archive = zip_of({"index.html": PAGE, "app.js": SCRIPT})
    assert not store.has(blob_key(sha256(SCRIPT)))
    for _ in range(2):  # the second time they are there
        assert verify(store, archive, entries).plain_files
        assert store.path(blob_key(sha256(SCRIPT))).read_bytes() == SCRIPT
    assert not list((store.root / "tmp").iterdir())


def test_no_plain_bytes_are_kept_where_a_file_has_the_suffix_itself(store):
    entries = [
        brotli_entry(store, "app.js.br", SCRIPT, brotli.compress(SCRIPT, lgwin=21)),
        brotli_entry(store, "app.js.br.br", b"packed by somebody" * 9, brotli.compress(b"packed by somebody" * 9)),
        plain_entry(store, "index.html", PAGE),
    ]
    archive = zip_of({"index.html": PAGE, "app.js": SCRIPT, "app.js.br": b"packed by somebody" * 9})
    assert not verify(store, archive, entries).plain_files
    assert not store.has(blob_key(sha256(SCRIPT)))


def test_no_plain_bytes_are_kept_of_a_file_that_proves_wrong(store):
    entries = [
        brotli_entry(store, "app.js.br", SCRIPT, brotli.compress(SCRIPT + b"!", lgwin=21)),
        plain_entry(store, "index.html", PAGE),
    ]
    with pytest.raises(Invalid):
        verify(store, zip_of({"index.html": PAGE, "app.js": SCRIPT}), entries)
    assert not store.has(blob_key(sha256(SCRIPT)))
    assert not list((store.root / "tmp").iterdir())


def test_a_zip_of_the_standard_library_is_taken(store):
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("index.html", PAGE)
        archive.writestr("日本.txt", b"", zipfile.ZIP_STORED)
    entries = [plain_entry(store, "index.html", PAGE), plain_entry(store, "日本.txt", b"")]
    assert verify(store, buffer.getvalue(), entries).files == 2


INDEX = Member("index.html", PAGE)


@pytest.mark.parametrize(
    "name",
    [
        *("../evil.js", "a/../../evil.js", "/etc/passwd", "a\\b.js", "..\\evil.js", "C:/evil.js", "c:evil.js"),
        *(b"index.html\0.js", "a\nb", "./a", "a//b", "folder/", "x" * 600, b"\xff\xfe"),
    ],
)
def test_names_that_escape_are_refused(store, name):
    error = refusal(store, build_zip(INDEX, Member(name)))
    assert error.code == "unsafe_name"
    assert isinstance(error, Invalid)


def test_a_name_marked_utf8_that_is_not_is_refused(store):
    assert refusal(store, build_zip(INDEX, Member(b"\xc0\xae\xc0\xae/x", flags=0x800))).code == "unsafe_name"


@pytest.mark.parametrize(
    "names", [("a.js", "a.js"), ("a.js", "A.JS"), ("café", "cafe\u0301"), ("a", "a/b"), ("a/b", "A")], ids=str
)
def test_two_files_in_one_place_are_refused(store, names):
    error = refusal(store, build_zip(INDEX, *(Member(name) for name in names)))
    assert error.code == "duplicate_name"
    assert names[1] in error.message or names[0] in error.message


HEAD = INDEX.local() + INDEX.body  # the bytes of an honest first entry
TWIN = Member("twin.js", b"twin")
NESTED = Member("inner.js", b"inner")
OUTER = Member("outer.js", NESTED.local() + NESTED.body, method=0)


HOSTILE = {
    "no bytes": (b"", "zip_malformed"),
    "not a zip": (b"<html>" * 100, "zip_malformed"),
    "no entries": (build_zip(), "empty_bundle"),
    "cut in half": (build_zip(INDEX, TWIN)[:60], "zip_malformed"),
    "cut by a byte": (build_zip(INDEX)[:-1], "zip_malformed"),
    "a byte behind": (build_zip(INDEX, behind=b"\0"), "zip_malformed"),
    "a comment": (build_zip(INDEX, comment=b"hi"), "zip_malformed"),
    "bytes in front": (build_zip(INDEX, prefix=b"#!/bin/sh\n"), "zip_malformed"),
    "a hidden entry in front": (build_zip(INDEX, prefix=NESTED.local() + NESTED.body), "zip_malformed"),
    "a hidden entry at the end": (build_zip(INDEX, gap=NESTED.local() + NESTED.body), "zip_malformed"),
    "bytes behind the directory": (build_zip(INDEX, in_front=b"\0" * 8), "zip_malformed"),
    "no index": (build_zip(Member("main.html", PAGE)), "no_index"),
    "index in a folder": (build_zip(Member("www/index.html", PAGE)), "no_index"),
    "encrypted": (build_zip(INDEX, Member("a", flags=0x1)), "zip_encrypted"),
    "strongly encrypted": (build_zip(INDEX, Member("a", flags=0x41)), "zip_encrypted"),
    "encrypted directory": (build_zip(INDEX, Member("a", flags=0x2000)), "zip_encrypted"),
    "sizes behind the bytes": (build_zip(INDEX, Member("a", flags=0x8)), "zip_malformed"),
    "bzip2": (build_zip(INDEX, Member("a", method=12)), "zip_compression"),
    "deflate64": (build_zip(INDEX, Member("a", method=9)), "zip_compression"),
    "a symbolic link": (build_zip(INDEX, Member("a", b"/etc/passwd", mode=SYMLINK)), "zip_symlink"),
    "a folder by mode": (build_zip(INDEX, Member("a", b"", mode=FOLDER)), "zip_malformed"),
    "an extra field": (build_zip(INDEX, Member("a", extra=b"up\x01\x00x")), "zip_malformed"),
    "an entry's comment": (build_zip(INDEX, Member("a", comment=b"x")), "zip_malformed"),
    "another disk": (build_zip(INDEX, Member("a", disk=1)), "zip_malformed"),
    "a damaged directory": (build_zip(INDEX, Member("a", signature=b"PK\x01\x03")), "zip_malformed"),
    "one entry for two files": (build_zip(INDEX, Member("a", offset=0)), "zip_malformed"),
    "an entry inside another": (
        build_zip(INDEX, OUTER, replace(NESTED, present=False, offset=len(HEAD) + len(OUTER.local()))),
        "zip_malformed",
    ),
    "a hidden entry between two": (build_zip(INDEX, replace(NESTED, listed=False), TWIN), "zip_malformed"),
    "an entry in the directory": (build_zip(INDEX, Member("a", offset=len(HEAD) + 10)), "zip_malformed"),
    "an entry behind the end": (build_zip(INDEX, Member("a", offset=2**31)), "zip_malformed"),
    "another name in front": (build_zip(INDEX, Member("a.js", local_name=b"b.js")), "zip_malformed"),
    "another size in front": (build_zip(INDEX, Member("a.js", local_plain_bytes=9)), "zip_malformed"),
    "extra only in front": (build_zip(INDEX, Member("a.js", local_extra=b"\0" * 4)), "zip_malformed"),
    "more than declared": (build_zip(INDEX, Member("a", b"x" * 100, plain_bytes=99)), "zip_malformed"),
    "less than declared": (build_zip(INDEX, Member("a", b"x" * 100, plain_bytes=101)), "zip_malformed"),
    "stored, two sizes": (build_zip(INDEX, Member("a", b"x" * 9, method=0, plain_bytes=8)), "zip_malformed"),
    "another checksum": (build_zip(INDEX, Member("a", crc32=1)), "zip_malformed"),
    "packed too short": (build_zip(INDEX, Member("a", b"x" * 99, packed_bytes=2)), "zip_malformed"),
    "packed too long": (build_zip(INDEX, Member("a", packed_bytes=10**6)), "zip_malformed"),
    "no deflate": (build_zip(INDEX, Member("a", b"x" * 9, packed=b"\xff" * 9)), "zip_malformed"),
    "deflate without end": (build_zip(INDEX, Member("a", SCRIPT, packed=deflate(SCRIPT)[:-4])), "zip_malformed"),
    "bytes behind deflate": (build_zip(INDEX, Member("a", SCRIPT, packed=deflate(SCRIPT) + b"x")), "zip_malformed"),
    "zip64 plain size": (build_zip(INDEX, Member("a", plain_bytes=2**32 - 1)), "zip_malformed"),
    "zip64 packed size": (build_zip(INDEX, Member("a", packed_bytes=2**32 - 1)), "zip_malformed"),
    "zip64 offset": (build_zip(INDEX, Member("a", offset=2**32 - 1)), "zip_malformed"),
    "zip64 directory": (build_zip(INDEX, directory_offset=2**32 - 1), "zip_malformed"),
    "zip64 count": (build_zip(INDEX, count=0xFFFF), "zip_malformed"),
    "zip64 extra": (build_zip(INDEX, Member("a", extra=b"\x01\0\x10\0" + b"\0" * 16)), "zip_malformed"),
    "fewer entries than said": (build_zip(INDEX, count=2), "zip_malformed"),
    "more entries than said": (build_zip(INDEX, TWIN, count=1), "zip_malformed"),
    "a directory elsewhere": (build_zip(INDEX, directory_offset=0), "zip_malformed"),
    "a short directory": (build_zip(INDEX, directory_bytes=10), "zip_malformed"),
    "a file of 1.5 GiB": (build_zip(INDEX, Member("a", plain_bytes=1536 * MIB)), "zip_too_large"),
    "three files of 0.9 GiB": (
        build_zip(INDEX, *(Member(f"{n}", plain_bytes=920 * MIB) for n in range(3))),
        "zip_too_large",
    ),
    "a bomb that says so": (build_zip(INDEX, Member("bomb", bytes(4 * MIB))), "zip_ratio"),
    "many small bombs": (
        build_zip(INDEX, *(Member(f"bomb{n}", bytes(MIB)) for n in range(20))),
        "zip_ratio",
    ),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_zips_are_refused(store, case):
    archive, code = HOSTILE[case]
    error = refusal(store, archive)
    assert error.code == code, error.message


def test_an_entry_count_above_the_limit_is_refused(store):
    names = (f"f{number}" for number in range(FILE_COUNT_LIMIT))
    error = refusal(store, build_zip(INDEX, *(Member(name, b"", method=0) for name in names)))
    assert error.code == "zip_too_many_files"
    assert isinstance(error, TooLarge)


def test_the_ratio_is_free_for_small_files_and_bounded_for_large_ones(store):
    small = {"index.html": PAGE, "zeros": bytes(ENTRY_RATIO_FREE_BYTES)}
    entries = [plain_entry(store, name, plain) for name, plain in small.items()]
    assert verify(store, zip_of(small), entries).files == 2
    error = refusal(store, zip_of({"index.html": PAGE, "zeros": bytes(ENTRY_RATIO_FREE_BYTES + 1)}))
    assert error.code == "zip_ratio"
    assert "zeros" in error.message and str(ENTRY_RATIO_LIMIT) in error.message


def test_no_more_than_the_declared_size_is_ever_unpacked(tmp_path):
    archive = tmp_path / "bomb.zip"
    archive.write_bytes(build_zip(Member("bomb", bytes(CHUNK_BYTES + 1), packed=deflate(bytes(8 * MIB)))))
    unpacked = 0
    with archive.open("rb") as file, pytest.raises(Invalid, match="more than"):
        (entry,) = read_directory(file)
        for chunk in unpack(file, entry):
            unpacked += len(chunk)
    assert unpacked <= CHUNK_BYTES + 1


def test_a_bomb_that_lies_is_stopped_at_its_declared_size(store):
    """64 MiB of zeros that declare 1 kB: refused within the memory of a few chunks."""
    bomb = Member("bomb", bytes(1024), packed=deflate(bytes(64 * MIB)))
    archive, entries = build_zip(INDEX, bomb), [plain_entry(store, "index.html", PAGE)]
    tracemalloc.start()
    error = refusal(store, archive, entries)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert error.code == "zip_malformed"
    assert peak_bytes < 4 * MIB


@pytest.mark.parametrize(
    ("zipped", "listed", "named"),
    [
        ({"index.html": PAGE, "more.js": SCRIPT}, {"index.html": PAGE}, "more.js"),
        ({"index.html": PAGE}, {"index.html": PAGE, "less.js": SCRIPT}, "less.js"),
        ({"index.html": PAGE, "a.js": SCRIPT}, {"index.html": PAGE, "a.js": SCRIPT + b" "}, "a.js"),
        ({"index.html": PAGE, "a.js": SCRIPT}, {"index.html": PAGE, "A.js": SCRIPT}, "A.js"),
    ],
    ids=["more in the zip", "less in the zip", "other bytes", "other case"],
)
def test_zip_and_manifest_must_hold_the_same_files(store, zipped, listed, named):
    error = refusal(store, zip_of(zipped), [plain_entry(store, name, plain) for name, plain in listed.items()])
    assert error.code == "manifest_mismatch"
    assert named in error.message


def script_refusal(store, stored: bytes, plain: bytes = SCRIPT, **changes) -> EdgeError:
    entry = brotli_entry(store, "app.js.br", plain, stored)._replace(**changes)
    archive = zip_of({"index.html": PAGE, "app.js": plain})
    error = refusal(store, archive, [plain_entry(store, "index.html", PAGE), entry])
    assert "app.js" in error.message
    return error


PACKED = brotli.compress(SCRIPT, lgwin=21)
SAME_SIZE = brotli.compress(SCRIPT, lgwin=20)  # differs in the window's bits alone


def endless() -> bytes:
    """All of the file, flushed, but no end of the stream."""
    packer = brotli.Compressor()
    return packer.process(SCRIPT) + packer.flush()


@pytest.mark.parametrize(
    "blob",
    [
        *(b"", SCRIPT, PACKED[:-1], PACKED + b"\0", PACKED + PACKED, b"\x1b\0\x06"),
        *(brotli.compress(SCRIPT + b"x"), brotli.compress(SCRIPT[:-1]), brotli.compress(SCRIPT[::-1]), endless()),
    ],
    ids=["empty", "plain", "cut", "a byte more", "twice", "empty wrapper", "longer", "shorter", "others", "no end"],
)
def test_a_blob_that_does_not_decode_to_the_file_is_refused(store, blob):
    assert script_refusal(store, blob).code == "blob_mismatch"


def test_a_brotli_bomb_is_stopped_at_the_size_of_the_file(store):
    """Some kilobytes of brotli that unpack to 100 MiB: refused after a few chunks."""
    bomb = brotli.compress(bytes(100 * MIB), quality=1)
    tracemalloc.start()
    error = script_refusal(store, bomb)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert error.code == "blob_mismatch"
    assert "more than" in error.message  # not only found out at its end
    assert peak_bytes < 4 * MIB


def padded(plain: bytes, bytes_more: int) -> bytes:
    """Brotli with a block of metadata, which decodes to nothing."""
    stream = brotli.Compressor(lgwin=21)
    block = (6 | (2 << 4) | ((bytes_more - 1) << 6)).to_bytes(3, "little") + bytes(bytes_more)
    return stream.process(plain) + stream.flush() + block + stream.finish()


def test_a_packed_file_is_hardly_larger_than_its_plain_bytes(store):
    error = script_refusal(store, padded(SCRIPT, 40_000))
    assert (error.code, "padded" in error.message) == ("blob_mismatch", True)
    noise = os.urandom(3 * MIB)
    stream = brotli.Compressor(lgwin=20)
    chunked = b"".join(stream.process(noise[at : at + 65_536]) + stream.flush() for at in range(0, len(noise), 65_536))
    entry = brotli_entry(store, "noise.bin.br", noise, chunked + stream.finish())
    assert entry.bytes > len(noise)
    page = plain_entry(store, "index.html", PAGE)
    assert verify(store, zip_of({"index.html": PAGE, "noise.bin": noise}), [page, entry]).files == 2


def test_a_stream_that_devices_take_for_a_wrapper_is_refused(store):
    """Found by search: 1,537 bytes in one block with brotli's default window begin 1B 00 06."""
    for salt in range(4096):
        plain = (b"%d " % salt) + SCRIPT[: 1537 - len(b"%d " % salt)]
        blob = brotli.compress(plain, quality=9, lgwin=22)
        if blob[:3] == b"\x1b\x00\x06" and blob[-1:] == b"\x03":
            break
    assert script_refusal(store, blob, plain).code == "blob_mismatch"


def test_a_plain_file_must_be_its_own_blob(store):
    entry = brotli_entry(store, "app.js", SCRIPT, PACKED)
    archive = zip_of({"index.html": PAGE, "app.js": SCRIPT})
    assert refusal(store, archive, [plain_entry(store, "index.html", PAGE), entry]).code == "blob_mismatch"


def test_a_listed_size_must_be_the_blobs(store):
    assert script_refusal(store, PACKED, bytes=len(PACKED) + 1).code == "blob_mismatch"


def test_a_missing_blob_is_named(store):
    error = script_refusal(store, PACKED, blob=sha256(b"nowhere"))
    assert error.code == "missing_blob"
    assert sha256(b"nowhere") in error.message


def test_a_missing_zip_or_manifest_is_named(store):
    here, nowhere = put(store, zip_of({"index.html": PAGE})), sha256(b"nowhere")
    for arguments in ({"zip": nowhere, "manifest": here}, {"zip": here, "manifest": nowhere}):
        with pytest.raises(Invalid) as caught:
            verify_bundle(store, **arguments)
        assert caught.value.code == "missing_blob"


@pytest.mark.parametrize("which", ["zip", "manifest", "plain", "brotli"])
def test_bytes_that_rotted_in_the_store_are_noticed(store, which):
    entries = [plain_entry(store, "index.html", PAGE), brotli_entry(store, "app.js.br", SCRIPT, PACKED)]
    archive, document = zip_of({"index.html": PAGE, "app.js": SCRIPT}), encode_manifest(entries)
    verify(store, archive, entries)
    stored = {"zip": archive, "manifest": document, "plain": PAGE, "brotli": PACKED}[which]
    rotten = bytearray(stored)
    rotten[len(rotten) // 2] ^= 1
    store.path(blob_key(sha256(stored))).write_bytes(rotten)
    with pytest.raises(Invalid) as caught:
        verify_bundle(store, zip=sha256(archive), manifest=sha256(document))
    assert caught.value.code in {"digest_mismatch", "blob_mismatch"}


def test_other_bytes_that_decode_to_the_same_file_are_noticed(store):
    entries = [plain_entry(store, "index.html", PAGE), brotli_entry(store, "app.js.br", SCRIPT, PACKED)]
    store.path(blob_key(sha256(PACKED))).write_bytes(SAME_SIZE)
    assert len(SAME_SIZE) == len(PACKED)
    assert refusal(store, zip_of({"index.html": PAGE, "app.js": SCRIPT}), entries).code == "digest_mismatch"


def test_a_manifest_above_its_limit_is_refused_unread(store):
    archive = put(store, zip_of({"index.html": PAGE}))
    with pytest.raises(TooLarge) as caught:
        verify_bundle(store, zip=archive, manifest=put(store, bytes(MANIFEST_LIMIT_BYTES + 1)))
    assert caught.value.code == "manifest_too_large"


def test_a_manifest_that_writes_above_its_folder_is_refused(store):
    entries = [plain_entry(store, "index.html", PAGE), brotli_entry(store, "...br", SCRIPT, PACKED)]
    assert refusal(store, zip_of({"index.html": PAGE}), entries).code == "unsafe_name"


@settings(max_examples=100)
@given(at=st.integers(0, 10**6), byte=st.integers(0, 255))
def test_no_changed_byte_makes_verify_fail_otherwise_than_by_refusing(at, byte):
    """Any one byte of the zip changed: refused, or read as the very same files."""
    archive = bytearray(zip_of({"index.html": PAGE, "a/b.js": SCRIPT[:400]}))
    archive[at % len(archive)] = byte
    with tempfile.TemporaryDirectory() as folder:
        store = FsStore(Path(folder) / "store")
        entries = [plain_entry(store, "index.html", PAGE), plain_entry(store, "a/b.js", SCRIPT[:400])]
        try:
            verified = verify(store, bytes(archive), entries)
        except EdgeError:
            return
        assert verified.files == 2


_SEGMENT = st.text(
    st.characters(codec="utf-8", exclude_characters="/\\:", exclude_categories=["C"]), min_size=1, max_size=6
)
_TREES = st.dictionaries(
    st.lists(_SEGMENT, min_size=1, max_size=3).map("/".join),
    st.one_of(st.binary(max_size=300), st.binary(min_size=1, max_size=40).map(lambda piece: piece * 400)),
    max_size=6,
)


@settings(max_examples=40)
@given(_TREES)
def test_what_is_packed_is_verified_as_it_was(tree):
    with tempfile.TemporaryDirectory() as folder:
        root, workdir, store = Path(folder) / "app", Path(folder) / "work", FsStore(Path(folder) / "store")
        workdir.mkdir()
        written = _write_tree(root, {"index.html": PAGE} | tree)
        try:
            packed = pack(root, workdir, processes=1)
        except EdgeError as error:
            assert error.code in {"unsafe_name", "duplicate_name"}
            return
        for blob in packed.blobs.values():
            assert put(store, blob.path.read_bytes()) == blob.digest
        archive, manifest = put(store, packed.zip.path.read_bytes()), put(store, packed.manifest)
        verified = verify_bundle(store, zip=archive, manifest=manifest)
        for name, plain in written.items():
            if verified.plain_files:
                assert store.path(blob_key(sha256(plain))).read_bytes() == plain, name
    assert verified.plain_files is not any(name.endswith(".br") for name in written)
    assert (verified.content, verified.plain_bytes) == (packed.content, packed.plain_bytes)
    assert (archive, manifest) == (packed.zip.digest, packed.manifest_digest)
    assert (verified.zip_bytes, verified.zip_crc32) == (packed.zip.bytes, packed.zip_crc32)
    assert verified.content == content_digest((name, sha256(plain)) for name, plain in written.items())


SELECTION = build_selection()


def _write_tree(root: Path, tree: dict[str, bytes]) -> dict[str, bytes]:
    """What of it a file system takes, and packing does not leave out."""
    root.mkdir()
    written = {}
    for name, plain in tree.items():
        path = root / name
        parts = set(name.split("/"))
        if parts & {".", "..", *JUNK_NAMES} or any(part.startswith(JUNK_PREFIX) for part in parts):
            continue
        if path.is_dir() or any(parent.is_file() for parent in path.parents) or SELECTION.left_out(name):
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(plain)
        written[name] = plain
    return written
