"""Accepting a store that went back: what the node remembers stays in force, whatever was put back."""

import shutil
from dataclasses import replace
from itertools import combinations

import pytest
from factories import APP, NOW
from truths import Truth, a_channel, a_published, a_released_truth, publish

from edge.domain.changes.commands import PublishBundle, Undo, WithdrawBundle
from edge.domain.errors import Conflict
from edge.store.acceptance import AcceptedBy
from edge.store.heads import Heads, shard_of
from edge.store.key_set import open_trust

LATER = "com.example.app1"  # created after the copy
BY = AcceptedBy("accept-1", NOW + 9_000, "root")


@pytest.fixture
def truth(tmp_path):
    """1.0.2 was offered when the copy was taken. It was withdrawn since, and two more versions were published."""
    truth = a_released_truth(tmp_path / "node", "1.0.1")
    publish(truth, "1.0.2", id="p2")
    shutil.copytree(truth.store.root, tmp_path / "copy")
    truth.commit(WithdrawBundle(version="1.0.2", reason="it crashes"))
    publish(truth, "1.0.3", id="p3")
    publish(truth, "1.0.4", id="p4")
    truth.create(LATER)
    truth.commit(a_channel(), LATER)
    return truth


def put_back(truth, *folders):
    for folder in folders:
        shutil.rmtree(truth.store.root / folder)
        shutil.copytree(truth.top.parent / "copy" / folder, truth.store.root / folder)


def accept(truth, **by):
    return truth.releases.accept_restored(BY._replace(**by), dry=False)


def go_back_and_forget(truth):
    put_back(truth, "heads", "apps")
    shutil.rmtree(truth.top / "seen")
    return restarted(truth)


def test_a_backup_goes_on_above_what_other_nodes_have_seen_each_time_that_it_is_restored(truth):
    """This node remembers nothing of the newer past, but those that follow it may have seen it."""
    orders, numbers = [], [truth.releases.head(APP).revision]
    for at in (NOW + 9_000, NOW + 90_000):
        again = go_back_and_forget(truth)
        assert accept(again, at=at) == []
        accepted = again.releases.accept_restored(BY._replace(at=at), dry=False, every=True)
        assert len(accepted) == 16
        orders.append(
            [Heads(truth.store, open_trust(truth.store, truth.top, at)).shard(f"{n:x}").shard.order for n in range(16)]
        )
        numbers.append(again.releases.head(APP).revision)
        assert again.releases.history(APP, 1)[0].summary == "went on from revision 4 of a backup"
        again.commit(a_channel("beta"), id=f"beta-{at}")
    assert numbers == sorted(set(numbers))
    assert all(later > earlier for earlier, later in zip(*orders, strict=True))


def restarted(truth):
    return Truth(truth.top)


@pytest.mark.parametrize("folders", [("heads",), ("heads", "apps"), ("heads", "apps", "blobs")])
def test_what_was_withdrawn_stays_withdrawn_and_what_was_used_stays_taken(truth, folders):
    put_back(truth, *folders)
    again = restarted(truth)
    accepted = {app.app: app for shard in accept(again) for app in shard.apps}
    assert (accepted[APP].seen, accepted[APP].restored, accepted[APP].head.revision) == (7, 4, 8)
    assert (accepted[APP].withdrawn, sorted(accepted[APP].kept)) == (["1.0.2"], ["1.0.3", "1.0.4"])
    state = again.releases.load(APP)
    assert state.bundles["1.0.2"].withdrawn == "it crashes"
    assert state.channels["production"].bundle == "1.0.2"
    with pytest.raises(Conflict) as refused:
        again.commit(PublishBundle(bundle=replace(a_published(again, "1.0.9"), version="1.0.3")))
    assert refused.value.code == "version_taken"
    publish(again, "1.0.5", id="p5")
    assert again.releases.problems == {}


def test_nothing_is_written_in_a_dry_run(truth):
    put_back(truth, "heads", "apps")
    again = restarted(truth)
    before = sorted((path, path.read_bytes()) for path in truth.store.root.rglob("*.json"))
    dry = again.releases.accept_restored(BY, dry=True)
    assert sorted((path, path.read_bytes()) for path in truth.store.root.rglob("*.json")) == before
    done = accept(again)
    assert [[app._replace(head=app.head.revision) for app in shard.apps] for shard in dry] == [
        [app._replace(head=app.head.revision) for app in shard.apps] for shard in done
    ]


def test_it_is_in_the_history_and_cannot_be_undone(truth):
    put_back(truth, "heads", "apps")
    again = restarted(truth)
    accept(again)
    lines = again.releases.history(APP, 10)
    assert [(each.number, each.kind, each.by) for each in lines[:2]] == [
        (8, "accept_restored", "root"),
        (4, "publish_bundle", "test"),
    ]
    assert len(lines) == 5
    said = "went back from revision 7 to 4; withdrawn again: 1.0.2; names that stay taken: 1.0.3, 1.0.4"
    assert lines[0].summary == said
    with pytest.raises(Conflict, match="cannot be undone") as refused:
        again.commit(Undo(revision=8, force=True), id="undo-1")
    assert refused.value.code == "nothing_to_undo"


def test_an_app_that_was_created_since_is_gone_and_its_names_stay_taken(truth):
    truth.commit(PublishBundle(bundle=a_published(truth, "2.0.0")), LATER)
    put_back(truth, "heads", "apps")
    again = restarted(truth)
    accepted = {app.app: app for shard in accept(again) for app in shard.apps}
    assert (accepted[LATER].restored, accepted[LATER].kept) == (0, ["2.0.0"])
    assert again.releases.last_head(LATER).deleted
    said = "went back from revision 3 to before it was created; names that stay taken: 2.0.0"
    assert again.releases.history(LATER, 1)[0].summary == said
    again.create(LATER)
    with pytest.raises(Conflict, match="was published with other files"):
        again.commit(PublishBundle(bundle=replace(a_published(again, "1.0.1"), version="2.0.0")), LATER)


def test_a_missing_shard_comes_back_from_what_the_node_has_seen(truth):
    good = truth.releases.head(APP)
    truth.head_file().unlink()
    again = restarted(truth)
    assert [app.went_back for shard in accept(again) for app in shard.apps if app.app == APP] == [False]
    assert again.releases.head(APP) == good
    again.commit(a_channel("beta"), id="beta-1")


def test_a_missing_shard_comes_back_from_the_revisions_where_nothing_was_seen(truth):
    truth.head_file().unlink()
    shutil.rmtree(truth.top / "seen")
    again = restarted(truth)
    accepted = {app.app: app for shard in accept(again) for app in shard.apps}
    assert (accepted[APP].restored, accepted[APP].head.revision) == (7, 8)
    assert again.releases.load(APP).bundles["1.0.2"].withdrawn == "it crashes"


def test_leftovers_of_the_newer_past_confuse_no_later_change(truth):
    """Only the heads went back: revisions 5 to 7 still lie in the store."""
    put_back(truth, "heads")
    again = restarted(truth)
    accept(again)
    for n in range(4):
        again.commit(a_channel(f"later-{n}"), id=f"later-{n}")
    numbers = [each.number for each in again.releases.history(APP, 20)]
    assert numbers == [12, 11, 10, 9, 8, 4, 3, 2, 1]


def test_another_node_that_has_seen_more_follows_the_higher_epoch(truth, tmp_path):
    (tmp_path / "other").mkdir()
    other = Heads(truth.store, open_trust(truth.store, tmp_path / "other", NOW))
    assert other.read()[APP].revision == 7
    shutil.copytree(truth.top / "seen", tmp_path / "seen-before")
    for n in range(3):  # seen by the other one alone
        truth.commit(a_channel(f"later-{n}"), id=f"later-{n}")
    assert other.read()[APP].revision == 10
    shutil.rmtree(truth.top / "seen")
    shutil.move(tmp_path / "seen-before", truth.top / "seen")
    put_back(truth, "heads", "apps")
    accept(restarted(truth))
    assert (other.read()[APP].revision, other.problems) == (8, {})
    truth.head_file().write_bytes((tmp_path / "copy" / "heads" / truth.head_file().name).read_bytes())
    other.read()
    assert "was rolled back from epoch 1 to 0" in other.problems[shard_of(APP)]


def test_a_second_acceptance_has_nothing_to_do(truth):
    put_back(truth, "heads")
    again = restarted(truth)
    assert accept(again)
    assert accept(again) == []


def test_the_copy_of_before_the_acceptance_is_a_past_again(truth):
    put_back(truth, "heads", "apps")
    again = restarted(truth)
    accept(again)
    put_back(truth, "heads", "apps")
    once_more = restarted(truth)
    assert shard_of(APP) in {shard.shard for shard in once_more.releases.accept_restored(BY, dry=True)}
    accept(once_more, id="accept-2")
    assert once_more.releases.load(APP).bundles["1.0.2"].withdrawn


SNAPSHOTS = [folders for size in (1, 2, 3) for folders in combinations(("heads", "apps", "blobs"), size)]


@pytest.mark.parametrize("remembers", ["all", "no names"])
@pytest.mark.parametrize("folders", SNAPSHOTS, ids="+".join)
def test_whatever_is_put_back_brings_nothing_back(truth, folders, remembers):
    put_back(truth, *folders)
    if remembers == "no names":
        shutil.rmtree(truth.top / "seen" / "names")
    again = restarted(truth)
    again.releases.heads()
    refused = set(again.releases.unserved)
    assert (shard_of(APP) in refused) is ("heads" in folders)
    accept(again)
    state = again.releases.load(APP)
    known = {*state.bundles, *state.retired}
    if folders != ("blobs",) and remembers == "no names":
        assert known == {"1.0.1", "1.0.2"}  # only what the restored state says is known
        return
    assert state.bundles["1.0.2"].withdrawn
    assert known == {"1.0.1", "1.0.2", "1.0.3", "1.0.4"}
