"""Damage among a node's own files: found without waiting, renamed, never deleted; what is missing is no damage."""

import os
from pathlib import Path

import pytest

from edge.store.disk.set_aside import Damaged, count_set_aside, read_own_file, set_aside


def test_what_is_set_aside_keeps_its_bytes_whatever_is_there_already(tmp_path, caplog):
    for content in (b"first", b"second", b"third"):
        (tmp_path / "id").write_bytes(content)
        set_aside(tmp_path / "id", "it contains no id", "nothing is lost")
    kept = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert kept == {"id.damaged": b"first", "id.damaged-1": b"second", "id.damaged-2": b"third"}
    assert [each.message for each in caplog.records][-1] == (
        f"{tmp_path / 'id'} is damaged (it contains no id) and is now id.damaged-2; nothing is lost"
    )


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to(path)])
def test_what_is_no_file_is_damage_and_nobody_waits_for_it(tmp_path, make):
    make(tmp_path / "id")
    with pytest.raises(Damaged):
        read_own_file(tmp_path / "id")
    set_aside(tmp_path / "id", "why", "what")
    assert [path.name for path in tmp_path.iterdir()] == ["id.damaged"]


def test_what_is_missing_is_no_damage(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_own_file(tmp_path / "id")
    (tmp_path / "folder").write_bytes(b"")
    with pytest.raises(NotADirectoryError):
        read_own_file(tmp_path / "folder" / "id")


def test_what_is_set_aside_is_counted_until_it_is_deleted(tmp_path):
    (tmp_path / "id").write_bytes(b"")
    set_aside(tmp_path / "id", "why", "what")
    (tmp_path / "id").write_bytes(b"")
    missing = tmp_path / "missing"
    assert count_set_aside(tmp_path, missing) == 1
    (tmp_path / "id.damaged").unlink()
    assert count_set_aside(tmp_path, missing) == 0
