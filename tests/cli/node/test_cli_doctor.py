"""`edge doctor` as a person and as a script run it."""

import pytest
from running_node import Node

from edge.cli.node.doctor import judge_sending


def test_it_tells_what_it_found_and_exits_0(tmp_path):
    node = Node(tmp_path, {"devices": 1, "control": 2})
    found = node.json("doctor")
    assert [each["name"] for each in found][:2] == ["descriptors", "somaxconn"]
    assert all(set(each) == {"name", "level", "seen", "remedy"} for each in found)
    text = node.text("doctor").splitlines()
    assert len(text) == len(found) + sum(bool(each["remedy"]) for each in found)
    assert text[0].startswith(("ok    descriptors", "warn  descriptors"))
    assert not node.data_dir.exists()


def test_wrong_usage_is_2(tmp_path):
    assert Node(tmp_path, {"devices": 1, "control": 2}).run("doctor", "--fix").exit_code == 2


SENDING = {"up": True, "active": 2, "halted": [], "unreadable": [], "failing": "", "keys": ""}


@pytest.mark.parametrize(
    ("seen", "found"),
    [
        ({}, [("messages", "ok", "2 messages under way")]),
        ({"halted": ["a fcm", "b apns"]}, [("messages", "warn", "the provider refuses credentials: a fcm, b apns")]),
        ({"up": False}, [("messages", "warn", "the process that sends messages does not run")]),
        ({"failing": "no room"}, [("messages", "warn", "no room")]),
        (
            {"unreadable": [f"a{n} fcm" for n in range(7)]},
            [
                (
                    "secrets",
                    "warn",
                    "sealed with a key that is not here: a0 fcm, a1 fcm, a2 fcm, a3 fcm, a4 fcm and 2 more",
                )
            ],
        ),
        ({"keys": "no file", "unreadable": ["a fcm"]}, [("secrets", "warn", "no file")]),
    ],
)
def test_messages_that_wait_are_found(seen, found):
    assert [(each.name, each.level, each.seen) for each in judge_sending(SENDING | seen)] == found


def test_a_node_that_sends_none_has_no_finding():
    assert judge_sending(None) == []
