"""The mark that says which outbox sends a message."""

import json

import pytest

from edge.assembly.pushing.sending_marks import mark_key, may_move, move_mark
from edge.domain.errors import Unavailable
from edge.store.objects.fs import FsStore
from edge.store.objects.port import AlreadyExists

MINE = {"format": 1, "outbox": "mine", "turn": 3, "write": "a"}


@pytest.mark.parametrize(
    ("mark", "may"),
    [
        (MINE, True),
        (MINE | {"turn": 4}, False),  # another copy of this outbox was as far
        (MINE | {"turn": 9}, False),
        (MINE | {"outbox": "other", "turn": 1}, False),
        (MINE | {"format": 2}, False),
        (MINE | {"more": 1}, False),
        ([], False),
    ],
)
def test_an_outbox_moves_its_own_mark_on(mark, may):
    assert may_move(json.dumps(mark).encode(), "mine", 4) is may
    assert not may_move(b"\xff" + json.dumps(mark).encode(), "mine", 4)


class Racing(FsStore):
    """Another home makes the mark between the look and the write, each time; `create` and `get` do not agree."""

    def get(self, key):
        return None

    def create(self, key, data):
        raise AlreadyExists(key)


def test_who_makes_it_first_sends(tmp_path):
    store = FsStore(tmp_path / "store")
    assert move_mark(store, "com.example.app", "m-1", "mine", 1)
    assert not move_mark(store, "com.example.app", "m-1", "other", 1)
    assert move_mark(store, "com.example.app", "m-1", "mine", 2)
    assert not move_mark(store, "com.example.app", "m-1", "mine", 2)
    mark = json.loads(store.get(mark_key("com.example.app", "m-1")).data)
    assert mark == MINE | {"turn": 2, "write": mark["write"]}
    with pytest.raises(Unavailable):
        move_mark(Racing(tmp_path / "store"), "com.example.app", "m-1", "mine", 3)
