"""A data directory of which this node's own small files are damaged opens; the key that signs is never made anew."""

import os
from pathlib import Path

import pytest

from edge.domain.errors import Forbidden
from edge.node.processes.data_directory import DataDirectory

NOW = 1_700_000_000.0
GARBAGE = b"\x80\xff" * 100


@pytest.fixture
def node(tmp_path):
    return DataDirectory(tmp_path, NOW).node_dir


def spoil(path, content: bytes | None, make=None) -> None:
    path.unlink()
    if make:
        make(path)
    else:
        path.write_bytes(content)
        path.chmod(0o600)


DAMAGES = [(b"", None), (bytes(16), None), (GARBAGE, None), (None, Path.mkdir), (None, os.mkfifo)]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_id_is_set_aside_and_made_new(node, damage, caplog):
    spoil(node / "id", *damage)
    made = DataDirectory(node.parent, NOW).node
    assert (node / "id").read_text() == made and len(made) == 16
    assert (node / "id.damaged").exists()
    assert [
        each.message for each in caplog.records if "id.damaged" in each.message and str(node / "id") in each.message
    ]
    assert DataDirectory(node.parent, NOW).node == made


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_key_is_refused_by_name_and_kept(node, damage):
    spoil(node / "writer.key", *damage)
    with pytest.raises(Forbidden, match=r"writer\.key.*restore the file from a backup"):
        DataDirectory(node.parent, NOW)
    assert not [path.name for path in node.iterdir() if "writer.key." in path.name]
    assert (node / "writer.key").exists()


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_reserve_that_is_none_stops_no_start(node, damage):
    spoil(node / "reserve", *damage)
    DataDirectory(node.parent, NOW)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_key_of_networks_is_set_aside_and_made_new(node, damage):
    before = (node / "net.key").read_bytes()
    spoil(node / "net.key", *damage)
    made = DataDirectory(node.parent, NOW).net_key
    assert (node / "net.key").read_bytes() == made != before and len(made) == 32
    assert (node / "net.key.damaged").exists()
    assert DataDirectory(node.parent, NOW).net_key == made


def test_the_key_of_networks_is_readable_by_this_user_alone(node):
    assert (node / "net.key").stat().st_mode & 0o777 == 0o600


def test_two_nodes_have_two_keys_of_networks(node, tmp_path):
    assert DataDirectory(tmp_path / "other", NOW).net_key != DataDirectory(node.parent, NOW).net_key
