"""Zips as people's tools make them: names are read as they were meant, or refused with the reason and the remedy."""

import shutil
import struct
import subprocess
import zipfile
import zlib

import pytest
from zip_bytes import Member, build_zip

from edge.bundles.sources.read import read_source
from edge.domain.errors import EdgeError

INDEX = Member("index.html")
DOS, NTFS, UNIX = 0, 10, 3


def made_on(system, *members):
    """The zip with another "made by" in every entry of its directory."""
    return build_zip(*members).replace(b"PK\x01\x02\x14\x03", b"PK\x01\x02\x14" + bytes([system]))


def unicode_path(raw, name):
    field = struct.pack("<BL", 1, zlib.crc32(raw)) + name.encode()
    return struct.pack("<HH", 0x7075, len(field)) + field


@pytest.fixture
def names(tmp_path):
    def read(content):
        source = tmp_path / "site.zip"
        source.write_bytes(content)
        return [file.name for file in read_source(source, tmp_path / "work").files]

    return read


@pytest.fixture
def reason(names):
    def refused(content):
        with pytest.raises(EdgeError) as caught:
            names(content)
        assert caught.value.code == "unsafe_name"
        return caught.value.message

    return refused


@pytest.mark.parametrize("flags", [0, 0x800], ids=["unmarked", "marked"])
@pytest.mark.parametrize("name", ["größe.js", "日本/語.html", "emoji 🎉.svg", "a%20b.js", "caf\u0065\u0301.txt"])
def test_utf8_names_are_taken_as_they_are_marked_or_not(names, name, flags):
    assert names(build_zip(INDEX, Member(name.encode(), flags=flags))) == sorted(["index.html", name])


def test_the_field_that_info_zip_puts_beside_a_name_is_what_it_says(names):
    raw = b"gr\x94\xe1e.js"  # code page 437
    assert "größe.js" in names(build_zip(INDEX, Member(raw, extra=unicode_path(raw, "größe.js"))))


def test_that_field_counts_only_for_the_name_it_was_made_for(reason):
    raw = b"gr\x94\xe1e.js"
    assert "not UTF-8" in reason(build_zip(INDEX, Member(raw, extra=unicode_path(b"other", "größe.js"))))


@pytest.mark.parametrize("raw", [b"gr\x94\xe1e.js", b"gr\xf6\xdfe.js", b"\x93\xfa\x96{.js"], ids=["437", "1252", "932"])
def test_names_in_a_code_page_are_refused_with_the_way_out(reason, raw):
    message = reason(build_zip(INDEX, Member(raw)))
    assert repr(raw) in message and "publish the folder itself" in message


def test_a_name_marked_as_utf8_that_is_not_is_refused_as_that(reason):
    assert "although it is marked as such" in reason(build_zip(INDEX, Member(b"\xff\xfe.js", flags=0x800)))


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        (b"./app.js", "app.js"),
        (b"././a/./b//c.js", "a/b/c.js"),
        (b"a/.hidden", "a/.hidden"),
        (b"a./b../c", "a./b../c"),
    ],
)
def test_dots_and_doubled_slashes_are_harmless(names, raw, name):
    assert names(build_zip(Member("./"), Member("./index.html"), Member(raw))) == sorted(["index.html", name])


@pytest.mark.parametrize("raw", [b"../evil", b"a/../../evil", b"./../evil", b"/etc/passwd", b"C:/x", b".//../x"])
def test_what_leaves_the_folder_stays_refused(reason, raw):
    reason(build_zip(INDEX, Member(raw)))


@pytest.mark.parametrize("system", [DOS, NTFS])
def test_backslashes_of_windows_separate_folders(names, system):
    content = made_on(system, Member(b"dist\\"), Member(b"dist\\index.html"), Member(b"dist\\assets\\app.js"))
    assert names(content) == ["assets/app.js", "index.html"]


@pytest.mark.parametrize("raw", [b"..\\evil", b"\\evil", b"C:\\evil", b"a\\..\\..\\evil"])
def test_a_windows_path_that_leaves_the_folder_is_refused(reason, raw):
    reason(made_on(DOS, INDEX, Member(raw)))


def test_a_backslash_in_a_name_of_unix_is_refused_with_the_way_out(reason):
    assert "rename the file" in reason(made_on(UNIX, INDEX, Member(b"a\\b.js")))


def test_two_spellings_of_one_name_are_one_file_twice(tmp_path):
    source = tmp_path / "site.zip"
    source.write_bytes(build_zip(INDEX, Member("./index.html")))
    with pytest.raises(EdgeError) as caught:
        read_source(source, tmp_path / "work")
    assert caught.value.code == "duplicate_name"


def test_macos_companions_are_left_out_whatever_their_names(names):
    junk = [Member(b"__MACOSX/._caf\x8e.html\\"), Member(b"__MACOSX/"), Member(b"dist/._index.html"), Member(b"dist/")]
    assert names(build_zip(*junk, Member("dist/index.html"))) == ["index.html"]


# Real tools

SEVEN_ZIP = shutil.which("7zz") or shutil.which("7z")

SITE = {"index.html": b"<html>", "assets/größe 日本.js": b"let a", "a b/c.txt": b"c"}


def write_site(root):
    for name, plain in SITE.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(plain)


def contents(source, work):
    return {file.name: file.path.read_bytes() for file in read_source(source, work).files}


def test_a_zip_by_python(tmp_path):
    with zipfile.ZipFile(tmp_path / "site.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, plain in SITE.items():
            archive.writestr(f"./{name}", plain)
    assert contents(tmp_path / "site.zip", tmp_path / "work") == SITE


@pytest.mark.parametrize("locale", ["C.UTF-8", "C"])
@pytest.mark.parametrize("where", [".", "site"], ids=["from inside", "with its folder"])
@pytest.mark.skipif(shutil.which("zip") is None, reason="needs zip")
def test_a_zip_by_info_zip(tmp_path, where, locale):
    write_site(tmp_path / "site")
    folder, named = (tmp_path / "site", ".") if where == "." else (tmp_path, "site")
    target = tmp_path / "made.zip"
    subprocess.run(
        ["zip", "-q", "-r", target, named], cwd=folder, check=True, env={"LC_ALL": locale, "PATH": "/usr/bin:/bin"}
    )
    assert contents(target, tmp_path / "work") == SITE


@pytest.mark.skipif(SEVEN_ZIP is None, reason="needs 7zz")
@pytest.mark.parametrize("switches", [[], ["-mcu=on"], ["-mcl=on"]], ids=str)
def test_a_zip_by_7z(tmp_path, switches):
    write_site(tmp_path / "site")
    target = tmp_path / "made.zip"
    subprocess.run(
        [SEVEN_ZIP, "a", "-tzip", *switches, target, "."], cwd=tmp_path / "site", check=True, capture_output=True
    )
    assert contents(target, tmp_path / "work") == SITE
