"""Which older revision stands in for one that cannot be read, and what it may not bring back."""

import pytest
from factories import APP, a_change
from node_world import a_truth, publish

from edge.domain.changes.commands import CreateApp, DeleteApp, WithdrawBundle
from edge.node.service.snapshots.last_good import WITHDRAWN_SINCE, find_last_good
from edge.store.heads import Head
from edge.store.objects.port import revision_key
from edge.store.revisions import Revisions


def path_of(truth, head):
    return truth.store.path(revision_key(APP, head.revision, head.digest))


def flip(path, place: int = -40) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


def cut(path) -> None:
    path.write_bytes(path.read_bytes()[: len(path.read_bytes()) // 2])


def lose(path) -> None:
    path.unlink()


def write_newer(path) -> None:
    path.write_bytes(path.read_bytes().replace(b'"format":', b'"format":9', 1))


DAMAGE = [flip, cut, lose, write_newer]


@pytest.mark.parametrize("damage", DAMAGE)
def test_the_one_before_stands_in(tmp_path, damage):
    truth = a_truth(tmp_path)
    heads = [publish(truth, version).head for version in ("1.0.1", "1.0.2")]
    damage(path_of(truth, heads[1]))
    assert find_last_good(truth.store, APP, heads[1]).revision == heads[0].revision


@pytest.mark.parametrize("damage", DAMAGE)
def test_the_chain_is_followed_over_several_damaged_ones(tmp_path, damage):
    truth = a_truth(tmp_path)
    heads = [publish(truth, version).head for version in ("1.0.1", "1.0.2", "1.0.3")]
    for head in heads[1:]:
        damage(path_of(truth, head))
    assert find_last_good(truth.store, APP, heads[2]).revision == heads[0].revision


@pytest.mark.parametrize("damage", DAMAGE)
def test_what_lost_the_race_for_the_head_is_never_taken(tmp_path, damage):
    truth = a_truth(tmp_path)
    first = publish(truth, "1.0.1").head
    before = Revisions(truth.store).read(APP, first.revision, first.digest)
    second = publish(truth, "1.0.2").head
    third = publish(truth, "1.0.3").head
    lost = Revisions(truth.store).read(APP, third.revision, third.digest).state
    other = a_change(CreateApp(app=APP))
    number = second.revision  # another writer's second revision, whose head was refused
    state = type(lost)(**{f: getattr(lost, f) for f in lost.__dataclass_fields__} | {"revision": number})
    Revisions(truth.store).write(state, other, before, first.digest)
    damage(path_of(truth, third))
    found = find_last_good(truth.store, APP, third)
    assert "1.0.3" not in found.bundles
    # Where the damaged one still names its predecessor, that one is found; else what both candidates follow.
    assert found.revision == (first.revision if damage is lose else second.revision)


@pytest.mark.parametrize("damage", [flip, write_newer])
def test_a_withdrawal_in_damaged_bytes_that_can_still_be_read_holds(tmp_path, damage):
    truth = a_truth(tmp_path)
    for version in ("1.0.1", "1.0.2"):
        publish(truth, version)
    head = truth.releases.commit(APP, a_change(WithdrawBundle(version="1.0.2", reason="broken"))).head
    path = path_of(truth, head)
    flip(path, path.read_bytes().index(b"broken"))
    assert find_last_good(truth.store, APP, head).bundles["1.0.2"].withdrawn == WITHDRAWN_SINCE


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_withdrawal_that_the_node_remembers_holds(tmp_path, damage):
    truth = a_truth(tmp_path)
    for version in ("1.0.1", "1.0.2"):
        publish(truth, version)
    head = truth.releases.commit(APP, a_change(WithdrawBundle(version="1.0.2", reason="broken"))).head
    damage(path_of(truth, head))
    found = find_last_good(truth.store, APP, head, ["1.0.2"])
    assert (found.bundles["1.0.2"].withdrawn, found.bundles["1.0.1"].withdrawn) == (WITHDRAWN_SINCE, "")


def test_a_deleted_app_does_not_come_back(tmp_path):
    truth = a_truth(tmp_path)
    publish(truth, "1.0.1")
    head = truth.releases.commit(APP, a_change(DeleteApp(app=APP))).head
    flip(path_of(truth, head))
    assert find_last_good(truth.store, APP, head) is None
    flip(path_of(truth, head))  # back
    anew = truth.releases.commit(APP, a_change(CreateApp(app=APP))).head
    flip(path_of(truth, anew))
    assert find_last_good(truth.store, APP, anew) is None


def test_without_any_revision_there_is_none(tmp_path):
    truth = a_truth(tmp_path)
    assert find_last_good(truth.store, "com.example.none", Head(5, "0" * 64)) is None
