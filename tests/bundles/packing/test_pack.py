"""Packing: the same bytes every time, brotli where the rules want it, and nothing left running."""

import hashlib
import os
import random
import signal
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

import brotli
import deflate
import pytest
from places import ROOT

from edge.bundles.limits import MIB, TOTAL_RATIO_LIMIT
from edge.bundles.packing import compress
from edge.bundles.packing.pack import Packed, pack
from edge.bundles.zip.reader import read_directory
from edge.domain.errors import EdgeError
from edge.domain.manifest import content_digest, parse_manifest

TEXT = " ".join(f"word{n % 977} is {n}" for n in range(4000)).encode()
NOISE = random.Random(7).randbytes(70_000)
SITE = {
    "index.html": b"<!doctype html>",
    "assets/app.js": TEXT,
    "assets/small.js": TEXT[: compress.PLAIN_BELOW_BYTES - 1],
    "assets/noise.bin": NOISE,
    "assets/photo.JPG": TEXT,
    "ü/straße 1.txt": b"x" * 20_000,
    "empty.txt": b"",
}


def write_folder(root: Path, files: dict[str, bytes]) -> Path:
    for name, plain in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(plain)
    return root


def packed(tmp_path: Path, files: dict[str, bytes], name: str = "site", **options) -> Packed:
    workdir = tmp_path / f"work-{name}"
    workdir.mkdir()
    return pack(write_folder(tmp_path / name, files), workdir, **({"processes": 1} | options))


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def names_of(bundle: Packed) -> set[str]:
    return {entry.name for entry in bundle.entries}


def test_every_entry_leads_to_its_plain_bytes(tmp_path):
    bundle = packed(tmp_path, SITE)
    seen = {}
    for entry in bundle.entries:
        blob = bundle.blobs[entry.blob]
        stored = blob.path.read_bytes()
        assert (blob.digest, blob.bytes, entry.bytes) == (sha256(stored), len(stored), len(stored))
        plain = brotli.decompress(stored) if entry.name.endswith(".br") else stored
        assert entry.hash == sha256(plain)
        seen[entry.name.removesuffix(".br")] = plain
    assert seen == SITE
    assert bundle.plain_bytes == sum(len(plain) for plain in SITE.values())
    assert bundle.content == content_digest((name, sha256(plain)) for name, plain in SITE.items())


def test_the_manifest_is_the_entries_sorted(tmp_path):
    bundle = packed(tmp_path, SITE)
    assert parse_manifest(bundle.manifest) == bundle.entries == tuple(sorted(bundle.entries))
    assert bundle.manifest_digest == sha256(bundle.manifest)


def test_the_zip_is_read_by_others(tmp_path):
    bundle = packed(tmp_path, SITE)
    with zipfile.ZipFile(bundle.zip.path) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == SITE
        assert archive.namelist() == sorted(SITE)
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert {entry.external_attr >> 16 for entry in archive.infolist()} == {0o100644}
    content = bundle.zip.path.read_bytes()
    assert (bundle.zip.digest, bundle.zip.bytes) == (sha256(content), len(content))
    assert bundle.zip_crc32 == f"{zlib.crc32(content):08x}"


def test_what_deflate_would_grow_is_stored(tmp_path):
    bundle = packed(tmp_path, SITE)
    with bundle.zip.path.open("rb") as file:
        methods = {entry.name: (entry.method, entry.packed_bytes) for entry in read_directory(file)}
    assert methods["assets/noise.bin"] == (0, len(NOISE))
    assert methods["empty.txt"] == (0, 0)
    assert methods["assets/app.js"] == (8, len(deflate.deflate_compress(TEXT, 12)))


def test_neither_a_zip_nor_a_packed_file_grows_by_being_packed_better(tmp_path):
    best = packed(tmp_path, SITE | {"tiny.json": b"{}", "page.html": TEXT * 9})
    plain = write_folder(tmp_path / "site", {})
    with zipfile.ZipFile(tmp_path / "zlib.zip", "w") as archive:
        for entry in zipfile.ZipFile(best.zip.path).infolist():
            content = (plain / entry.filename).read_bytes()
            smaller = len(zlib.compress(content, 9)) - 6 < len(content)
            how = zipfile.ZIP_DEFLATED if smaller else zipfile.ZIP_STORED
            archive.writestr(entry.filename, content, how, compresslevel=9)
    assert best.zip.bytes < (tmp_path / "zlib.zip").stat().st_size
    sizes = {entry.name: entry.bytes for entry in best.entries}
    for name in sizes:
        assert sizes[name] <= (plain / name.removesuffix(".br")).stat().st_size, name


def test_the_same_files_give_the_same_bytes_wherever_and_whenever(tmp_path):
    first = packed(tmp_path, SITE, "first")
    second = packed(tmp_path, dict(reversed(SITE.items())), "second")
    for path in (tmp_path / "second").rglob("*"):
        path.chmod(0o700)
        os.utime(path, (0, 0))
    workdir = tmp_path / "again"
    workdir.mkdir()
    third = pack(tmp_path / "second", workdir, processes=1)
    assert first.zip.digest == second.zip.digest == third.zip.digest
    assert first.manifest == second.manifest == third.manifest


def test_a_zip_gives_the_same_bytes_as_its_folder(tmp_path):
    source = tmp_path / "site.zip"
    with zipfile.ZipFile(source, "w", zipfile.ZIP_BZIP2) as archive:
        for name, plain in SITE.items():
            archive.writestr(f"dist/{name}", plain)
    workdir = tmp_path / "from-zip"
    workdir.mkdir()
    bundle, expected = pack(source, workdir, processes=1), packed(tmp_path, SITE)
    assert (bundle.zip.digest, bundle.manifest) == (expected.zip.digest, expected.manifest)
    assert {digest: blob.bytes for digest, blob in bundle.blobs.items()} == {
        digest: blob.bytes for digest, blob in expected.blobs.items()
    }


def test_a_bundle_of_its_own_packed_zip_is_itself(tmp_path):
    bundle = packed(tmp_path, SITE)
    workdir = tmp_path / "again"
    workdir.mkdir()
    assert pack(bundle.zip.path, workdir, processes=1).zip.digest == bundle.zip.digest


@pytest.mark.parametrize(
    ("name", "plain", "compressed"),
    [
        ("a.js", TEXT[: compress.PLAIN_BELOW_BYTES], True),
        ("a.js", TEXT[: compress.PLAIN_BELOW_BYTES - 1], False),
        ("a", TEXT, True),
        ("folder.png/a", TEXT, True),
        ("a.wasm", TEXT, True),
        ("a.svg", TEXT, True),
        *((f"a.{suffix}", TEXT, False) for suffix in ("png", "jpg", "WOFF2", "mp4", "zip", "gz")),
        ("a.bin", NOISE[: compress.PLAIN_BELOW_BYTES], False),
        ("a.bin", NOISE, False),
        ("a.br", b"", True),
        ("a.br", b"tiny", True),
        ("a.br", NOISE, True),
        ("a.br", brotli.compress(TEXT), True),
        ("a.BR", TEXT, False),
        ("a.BR", b"tiny", False),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_compressed(tmp_path, name, plain, compressed):
    bundle = packed(tmp_path, {"index.html": b"", name: plain})
    assert names_of(bundle) == {"index.html", f"{name}.br" if compressed else name}
    (entry,) = (entry for entry in bundle.entries if entry.name != "index.html")
    stored = bundle.blobs[entry.blob].path.read_bytes()
    assert (brotli.decompress(stored) if compressed else stored) == plain


def test_an_asset_and_its_compressed_twin_live_side_by_side(tmp_path):
    twin = brotli.compress(TEXT)
    bundle = packed(tmp_path, {"index.html": b"", "a.js": TEXT, "a.js.br": twin})
    assert names_of(bundle) == {"index.html", "a.js.br", "a.js.br.br"}


@pytest.mark.parametrize("size", [0, 1, 5, 1536, 1537, 1538, 70_000])
def test_no_stream_of_ours_looks_like_a_wrapped_raw_file(tmp_path, size):
    bundle = packed(tmp_path, {"index.html": b"", "x.br": (TEXT + TEXT)[:size]})
    (entry,) = (entry for entry in bundle.entries if entry.name == "x.br.br")
    assert bundle.blobs[entry.blob].path.read_bytes()[:3] not in (b"\x1b\0\x06", b"\x0b\x02\x80")


def test_files_above_the_whole_limit_are_streamed(tmp_path):
    large = TEXT * (compress.WHOLE_LIMIT_BYTES // len(TEXT) + 1)
    bundle = packed(tmp_path, {"index.html": b"", "large.txt": large + NOISE})
    (entry,) = (entry for entry in bundle.entries if entry.name == "large.txt.br")
    assert brotli.decompress(bundle.blobs[entry.blob].path.read_bytes()) == large + NOISE
    assert entry.hash == sha256(large + NOISE)


def test_equal_files_share_a_blob(tmp_path):
    bundle = packed(tmp_path, {"index.html": b"", "a.js": TEXT, "b.js": TEXT, "c.txt": b""})
    assert len(bundle.entries) == 4
    assert len(bundle.blobs) == 2


def test_a_pool_gives_the_same_bytes_and_leaves_no_process(tmp_path):
    files = {"index.html": b""} | {f"{n}.js": b"%d" % n + TEXT * 2 for n in range(4)}
    alone = packed(tmp_path, files, "alone")
    pooled = packed(tmp_path, files, "pooled", processes=2)
    assert (alone.zip.digest, alone.manifest) == (pooled.zip.digest, pooled.manifest)


def test_progress_counts_up_to_all_bytes(tmp_path):
    seen: list[tuple[str, int, int]] = []
    packed(tmp_path, SITE, progress=lambda *step: seen.append(step))
    for stage, total in (("zip", sum(map(len, SITE.values()))), ("brotli", len(TEXT) + len(NOISE) + 20_000)):
        steps = [step for step in seen if step[0] == stage]
        assert [done for _, done, _ in steps] == sorted(done for _, done, _ in steps)
        assert steps[-1] == (stage, total, total)


def test_a_file_that_changes_meanwhile_is_refused(tmp_path):
    def rewrite(stage: str, done: int, total: int) -> None:
        if stage == "zip" and done == total:
            (tmp_path / "site/assets/app.js").write_bytes(TEXT[::-1])

    with pytest.raises(EdgeError) as caught:
        packed(tmp_path, SITE, progress=rewrite)
    assert caught.value.code == "source_changed"


@pytest.mark.parametrize(
    ("files", "code"),
    [
        ({"main.html": b""}, "no_index"),
        ({"index.html": b"", "zeros.bin": bytes(2 * MIB)}, "zip_ratio"),
        ({"index.html": b""} | {f"zeros{n}.bin": bytes(MIB) for n in range(17)}, "zip_ratio"),
        # The suffix of a packed file does not count: a device never writes it.
        ({"index.html": b"", "/".join(["d" * 127] * 4): TEXT, "e" * 255: TEXT}, None),
        ({"index.html": b"", ".br/x": b"", "..br": b""}, None),
    ],
    ids=["no index", "one bomb", "many bombs", "long names", "odd but fine"],
)
def test_what_the_server_would_refuse_is_refused_here(tmp_path, files, code):
    if code is None:
        packed(tmp_path, files)
        return
    with pytest.raises(EdgeError) as caught:
        packed(tmp_path, files)
    assert caught.value.code == code


@pytest.mark.long
def test_a_zip_within_the_limits_by_zlib_is_not_refused_because_libdeflate_is_better(tmp_path):
    text = " ".join(map(str, random.Random(3).choices(range(5_000), k=120_000))).encode()
    zeros, by_zlib = bytes(MIB), [len(zlib.compress(each, 9, -15)) for each in (bytes(MIB), text)]
    count = (by_zlib[1] * TOTAL_RATIO_LIMIT - len(text)) // (MIB - by_zlib[0] * TOTAL_RATIO_LIMIT)
    files = {"index.html": b"", "text.txt": text} | {f"{n}.bin": zeros for n in range(count)}
    spare = by_zlib[1] * TOTAL_RATIO_LIMIT - len(text) - count * (MIB - by_zlib[0] * TOTAL_RATIO_LIMIT)
    files["rest.bin"] = bytes(spare)
    plain_bytes = sum(map(len, files.values()))
    packed_best = count * by_zlib[0] + len(deflate.deflate_compress(text, 12)) + spare // 900 + 200 * len(files)
    assert plain_bytes > packed_best * TOTAL_RATIO_LIMIT
    seen: list[tuple[str, int, int]] = []
    bundle = packed(tmp_path, files, progress=lambda *step: seen.append(step))
    assert bundle.zip.bytes * TOTAL_RATIO_LIMIT >= plain_bytes
    assert max(done for stage, done, _ in seen if stage == "zip") == plain_bytes
    assert packed(tmp_path, files, "again").zip.digest == bundle.zip.digest


SCRIPT = """
import multiprocessing, sys
from pathlib import Path
from edge.bundles.packing.pack import pack

def tell(stage, done, total):
    if done == total:
        print(stage, len(multiprocessing.active_children()), flush=True)

if __name__ == "__main__":
    pack(Path(sys.argv[1]), Path(sys.argv[2]), progress=tell, processes=2)
"""


def start_packing(tmp_path: Path) -> subprocess.Popen[str]:
    """A process that packs for many seconds, in a group of its own; returns when its workers are at work."""
    files = {f"{n}.txt": b"%d " % n + TEXT * 12 for n in range(12)}
    write_folder(tmp_path / "site", {"index.html": b""} | files)
    (tmp_path / "packing.py").write_text(SCRIPT)
    (tmp_path / "work").mkdir()
    process = subprocess.Popen(
        [sys.executable, tmp_path / "packing.py", tmp_path / "site", tmp_path / "work"],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout.readline() == "zip 2\n"
    return process


@pytest.mark.long
def test_ctrl_c_ends_all_processes_quietly(tmp_path):
    process = start_packing(tmp_path)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=120)  # the pipes end when the last process that holds them does
    assert process.returncode == -signal.SIGINT
    assert errors.count("Traceback") == 1
    assert errors.endswith("KeyboardInterrupt\n")


@pytest.mark.long
def test_a_killed_publisher_leaves_no_workers(tmp_path):
    process = start_packing(tmp_path)
    process.kill()
    _, errors = process.communicate(timeout=120)
    assert process.returncode == -signal.SIGKILL
    assert "Traceback" not in errors
