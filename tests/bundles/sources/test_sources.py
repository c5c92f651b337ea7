"""A folder or a zip as a list of safely named files, or the reason why not."""

import os
import socket
import zipfile
from pathlib import Path

import pytest
from zip_bytes import SYMLINK, Member, build_zip

from edge.bundles.limits import BLOB_LIMIT_BYTES
from edge.bundles.sources.read import read_source
from edge.domain.errors import EdgeError, TooLarge
from edge.domain.manifest import FILE_COUNT_LIMIT

SITE = {"index.html": b"<html>", "assets/app.js": b"let a", "assets/img/logo.svg": b"<svg/>", "empty": b""}
JUNK = {
    ".DS_Store": b"x",
    "assets/.DS_Store": b"x",
    "__MACOSX/index.html": b"x",
    "assets/._app.js": b"x",
    ".git/config": b"x",
    "assets/.gitkeep": b"",
    "img/Thumbs.db": b"x",
    "Icon\r": b"x",
}


def write_folder(root: Path, files: dict[str, bytes]) -> Path:
    root.mkdir(exist_ok=True)
    for name, plain in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(plain)
    return root


def write_zip(target: Path, files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(target, "w", method) as archive:
        for name, plain in files.items():
            archive.writestr(name, plain)
    return target


def write(tmp_path: Path, kind: str, files: dict[str, bytes]) -> Path:
    return write_folder(tmp_path / "site", files) if kind == "folder" else write_zip(tmp_path / "site.zip", files)


def contents(path: Path, tmp_path: Path) -> dict[str, bytes]:
    found = read_source(path, tmp_path / "work").files
    assert [file.name for file in found] == sorted(file.name for file in found)
    assert all(file.bytes == len(file.path.read_bytes()) for file in found)
    return {file.name: file.path.read_bytes() for file in found}


def refusal(path: Path, tmp_path: Path) -> EdgeError:
    with pytest.raises(EdgeError) as caught:
        read_source(path, tmp_path / "work")
    return caught.value


both = pytest.mark.parametrize("kind", ["folder", "zip"])


@both
def test_all_files_are_found_in_order(tmp_path, kind):
    assert contents(write(tmp_path, kind, SITE), tmp_path) == SITE


@both
def test_a_single_top_folder_is_stripped(tmp_path, kind):
    nested = {f"dist/{name}": plain for name, plain in SITE.items()}
    assert contents(write(tmp_path, kind, nested), tmp_path) == SITE


@both
def test_junk_is_left_out_also_beside_the_top_folder(tmp_path, kind):
    nested = {f"dist/{name}": plain for name, plain in SITE.items()}
    assert contents(write(tmp_path, kind, nested | JUNK), tmp_path) == SITE


@both
def test_what_only_looks_like_junk_stays(tmp_path, kind):
    kept = {
        "index.html": b"",
        ".well-known/assetlinks.json": b"{}",
        "git": b"",
        "a.git": b"",
        "_redirects": b"",
        "level.map": b"",
    }
    assert contents(write(tmp_path, kind, kept), tmp_path) == kept


@both
@pytest.mark.parametrize(
    "files",
    [
        {"main.html": b""},
        {"Index.html": b""},
        {"a/index.html": b"", "b/x": b""},
        {"a/index.html": b"", "x": b""},
        {"a/b/index.html": b""},
    ],
    ids=str,
)
def test_without_an_index_it_is_refused(tmp_path, kind, files):
    assert refusal(write(tmp_path, kind, files), tmp_path).code == "no_index"


@both
@pytest.mark.parametrize("files", [{}, {".DS_Store": b"x", ".git/HEAD": b"x"}], ids=["nothing", "junk alone"])
def test_an_empty_set_is_refused(tmp_path, kind, files):
    assert refusal(write(tmp_path, kind, files), tmp_path).code == "empty_bundle"


def test_a_path_that_is_not_there_is_refused(tmp_path):
    assert refusal(tmp_path / "nowhere", tmp_path).code == "source_not_found"


@both
@pytest.mark.parametrize(
    "names",
    [["a\\b.js"], ["C:x"], ["line\nbreak"], ["x" * 250 + "/" + "y" * 250 + "/" + "z" * 20]],
    ids=lambda n: n[0][:9],
)
def test_unsafe_names_are_refused(tmp_path, kind, names):
    error = refusal(write(tmp_path, kind, {"index.html": b""} | dict.fromkeys(names, b"")), tmp_path)
    assert error.code == "unsafe_name"


def test_names_that_are_no_text_are_refused(tmp_path):
    root = write_folder(tmp_path / "site", SITE)
    Path(os.fsdecode(bytes(root) + b"/caf\xe9.js")).write_bytes(b"")
    assert refusal(root, tmp_path).code == "unsafe_name"


@both
def test_two_files_that_differ_by_case_are_refused(tmp_path, kind):
    error = refusal(write(tmp_path, kind, {"index.html": b"", "a/App.js": b"", "a/app.js": b""}), tmp_path)
    assert error.code == "duplicate_name"
    assert "App.js" in error.message and "app.js" in error.message


@both
def test_too_many_files_are_refused(tmp_path, kind):
    files = dict.fromkeys((f"f{number}" for number in range(FILE_COUNT_LIMIT)), b"")
    error = refusal(write(tmp_path, kind, {"index.html": b""} | files), tmp_path)
    assert error.code == "zip_too_many_files"
    assert isinstance(error, TooLarge)


def test_a_file_above_the_limit_is_refused_unread(tmp_path):
    root = write_folder(tmp_path / "site", SITE)
    os.truncate(root / "assets/app.js", BLOB_LIMIT_BYTES + 1)
    error = refusal(root, tmp_path)
    assert error.code == "zip_too_large"
    assert "assets/app.js" in error.message


# Folders


def test_links_that_stay_inside_are_followed(tmp_path):
    root = write_folder(tmp_path / "site", SITE)
    (root / "latest.js").symlink_to("assets/app.js")
    (root / "static").symlink_to(root / "assets")
    more = {"latest.js": b"let a", "static/app.js": b"let a", "static/img/logo.svg": b"<svg/>"}
    assert contents(root, tmp_path) == SITE | more


def test_a_folder_that_is_a_link_itself_is_fine(tmp_path):
    root = write_folder(tmp_path / "site", SITE)
    (tmp_path / "current").symlink_to(root)
    assert contents(tmp_path / "current", tmp_path) == SITE


@pytest.mark.parametrize(
    ("target", "code"),
    [
        ("../secret", "symlink_outside"),
        ("/etc/hostname", "symlink_outside"),
        ("/etc", "symlink_outside"),
        ("..", "symlink_outside"),
        (".git/config", "symlink_outside"),
        ("nowhere", "symlink_broken"),
        ("link", "symlink_broken"),
        (".", "symlink_loop"),
    ],
)
def test_links_that_leave_the_folder_or_never_end_are_refused(tmp_path, target, code):
    root = write_folder(tmp_path / "site", SITE | {".git/config": b""})
    (tmp_path / "secret").write_bytes(b"")
    (root / "link").symlink_to(target)
    error = refusal(root, tmp_path)
    assert error.code == code
    assert "link" in error.message


def test_a_link_back_up_from_below_is_refused(tmp_path):
    root = write_folder(tmp_path / "site", SITE)
    (root / "assets/img/up").symlink_to("..")
    assert refusal(root, tmp_path).code == "symlink_loop"


def test_what_is_no_file_is_refused(tmp_path):
    root = write_folder(tmp_path / "site", SITE)
    os.mkfifo(root / "pipe")
    assert refusal(root, tmp_path).code == "special_file"
    (root / "pipe").unlink()
    with socket.socket(socket.AF_UNIX) as server:
        here = os.open(root, os.O_RDONLY)
        try:
            server.bind(f"/proc/self/fd/{here}/socket")
        finally:
            os.close(here)
    assert refusal(root, tmp_path).code == "special_file"


# Zips


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compressions_of_a_publishers_zip_are_read(tmp_path, method):
    assert contents(write_zip(tmp_path / "site.zip", SITE, method), tmp_path) == SITE


def test_folder_entries_and_descriptors_are_ordinary_in_a_publishers_zip(tmp_path):
    source = tmp_path / "site.zip"
    with source.open("wb") as file, zipfile.ZipFile(_Pipe(file), "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("dist/", b"")
        archive.writestr("dist/index.html", b"<html>")
        archive.comment = b"made elsewhere"
    assert contents(source, tmp_path) == {"index.html": b"<html>"}


class _Pipe:
    """A file that cannot seek: zipfile then writes sizes behind the bytes."""

    def __init__(self, file):
        self.write, self.flush = file.write, file.flush


def test_no_name_of_a_zip_becomes_a_path(tmp_path):
    read_source(write_zip(tmp_path / "site.zip", SITE), tmp_path / "work")
    assert all(path.name.isdigit() for path in (tmp_path / "work/unpacked").iterdir())


INDEX = Member("index.html")


@pytest.mark.parametrize(
    ("member", "code"),
    [
        (Member("../evil"), "unsafe_name"),
        (Member("/evil"), "unsafe_name"),
        (Member("../evil/"), "unsafe_name"),
        (Member(b"a\0b"), "unsafe_name"),
        (Member("a\u202egnp.js".encode()), "unsafe_name"),
        (Member("index.html"), "duplicate_name"),
        (Member("INDEX.html"), "duplicate_name"),
        (Member("index.html/x"), "duplicate_name"),
        (Member("a", flags=1), "zip_encrypted"),
        (Member("a", method=9), "zip_compression"),
        (Member("a", b"index.html", mode=SYMLINK), "zip_symlink"),
        (Member("a", crc32=1), "zip_malformed"),
        (Member("a", b"x" * 9, packed=b"\xff" * 9), "zip_malformed"),
        (Member("a", b"x" * 100, plain_bytes=99), "zip_malformed"),
        (Member("a", b"x" * 100, plain_bytes=101), "zip_malformed"),
        (Member("a", local_name=b"b"), "zip_malformed"),
        (Member(b"\xff", flags=0x800), "unsafe_name"),
        (Member("a", plain_bytes=BLOB_LIMIT_BYTES + 1), "zip_too_large"),
    ],
    ids=repr,
)
def test_damaged_and_hostile_zips_are_refused(tmp_path, member, code):
    source = tmp_path / "site.zip"
    source.write_bytes(build_zip(INDEX, member))
    error = refusal(source, tmp_path)
    assert error.code == code, error.message


@pytest.mark.parametrize("content", [b"", b"<html>", build_zip(INDEX)[:-10]], ids=["empty", "html", "cut"])
def test_a_file_that_is_no_zip_is_refused(tmp_path, content):
    source = tmp_path / "site.zip"
    source.write_bytes(content)
    assert refusal(source, tmp_path).code == "zip_malformed"
