"""`edge doctor` as a person and as a script run it."""

from running_node import Node


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
