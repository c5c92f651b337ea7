"""A stranger's zip is read by a process of its own, with the command line's checks, and can hurt nobody but that."""

import zipfile

import msgspec
import pytest

from edge.bundles.intake.intake_messages import IntakeDone, IntakeRefused
from edge.bundles.intake.intake_process import take_in

INDEX = {"index.html": b"<html></html>"}
KEY = b"-----BEGIN RSA PRIVATE KEY-----\n" + b"A" * 200


def make_zip(path, files, mode=0):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, content)
    return path


def taken(tmp_path, files, mode=0):
    workdir = tmp_path / "work"
    workdir.mkdir()
    return take_in(make_zip(tmp_path / "a.zip", files, mode), workdir)


def test_a_zip_becomes_a_bundle(tmp_path):
    files = INDEX | {"app.js": b"let a = 1;" * 500, "app.js.map": b"{}"}
    done = taken(tmp_path, files)
    assert isinstance(done, IntakeDone)
    assert [each.name.removesuffix(".br") for each in done.entries] == ["app.js", "index.html"]
    assert [each.name for each in done.left_out] == ["app.js.map"]
    names = {each.digest for each in done.blobs}
    assert {done.zip, done.manifest, *(each.blob for each in done.entries)} == names
    assert msgspec.json.decode(msgspec.json.encode(done), type=IntakeDone) == done


HOSTILE = {
    "no index": ({"app.js": b"x"}, "no_index"),
    "a path that leads out": (INDEX | {"../../etc/passwd": b"x"}, "unsafe_name"),
    "a private key": (INDEX | {"server.pem": KEY}, "suspect_files"),
    "a bomb": (INDEX | {"bomb.bin": b"\0" * (64 << 20)}, "zip_ratio"),
    "one file under two names": (INDEX | {"A.js": b"1", "a.js": b"2"}, "duplicate_name"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_what_the_command_line_refuses_is_refused(tmp_path, case):
    files, code = HOSTILE[case]
    refused = taken(tmp_path, files)
    assert isinstance(refused, IntakeRefused) and refused.code == code


def test_links_are_refused(tmp_path):
    refused = taken(tmp_path, {"index.html": b"/etc/passwd"}, mode=0o120777)
    assert isinstance(refused, IntakeRefused) and refused.code == "zip_symlink"


def test_what_is_no_zip_is_refused(tmp_path):
    (tmp_path / "a.zip").write_bytes(b"not a zip at all")
    (tmp_path / "work").mkdir()
    refused = take_in(tmp_path / "a.zip", tmp_path / "work")
    assert isinstance(refused, IntakeRefused) and refused.status == 422
