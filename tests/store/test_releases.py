import hashlib
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from factories import APP, NOW, a_bundle, a_change, digest
from truths import Truth, a_channel, a_published, a_released_truth, apps_of_one_shard, publish

from edge.domain.changes.commands import ClearOverride, CreateApp, PublishBundle, SetOverride
from edge.domain.errors import Conflict, Forbidden, Invalid, NotFound, TooLarge, Unavailable
from edge.domain.model import AppId
from edge.store.heads import SHARDS, Head, Heads, build_successor, encode_shard, shard_of
from edge.store.objects.fs import FsStore
from edge.store.objects.port import blob_key, head_key, revision_key
from edge.store.releases import COMMIT_ATTEMPT_LIMIT, REFRESH_AFTER_SECONDS, Releases, Revisions
from edge.store.signing import load_or_create_writer
from edge.store.stored_document import Untrusted

DEVICES = [f"{n:08x}-0000-4000-8000-000000000000" for n in range(3)]


@pytest.fixture
def truth(tmp_path):
    return a_released_truth(tmp_path / "node")


def reading(truth):
    """The same store as another process at its start sees it."""
    return Truth(truth.top).releases


def objects(truth):
    return {key: truth.store.get(key).tag for key in truth.store.keys("")}


def revision_file(truth, app=APP):
    head = truth.releases.head(app)
    return truth.store.path(revision_key(app, head.revision, head.digest))


def test_what_was_committed_is_what_everybody_loads(truth):
    state = reading(truth).load(APP)
    assert state == truth.releases.load(APP)
    assert (state.revision, state.channels["production"].bundle) == (3, "1.0.1")


def test_a_worker_without_keys_loads_what_a_head_names(truth):
    head = truth.releases.heads()[APP]
    assert Revisions(FsStore(truth.store.root)).load_revision(APP, *parts(head)) == truth.releases.load(APP)


def test_committing_tells_the_state_and_where_it_is(truth):
    committed = truth.commit(a_channel("beta"))
    assert (committed.changed, committed.state, committed.head) == (
        True,
        reading(truth).load(APP),
        reading(truth).head(APP),
    )


def test_a_repeated_change_lands_once_and_writes_nothing(truth):
    change = publish(truth, "1.0.2")
    before = objects(truth)
    again = reading(truth).commit(APP, change)
    assert (again.changed, again.head) == (False, truth.releases.head(APP))
    assert objects(truth) == before


def test_a_change_that_alters_nothing_writes_nothing(truth):
    before = objects(truth)
    committed = truth.commit(PublishBundle(bundle=a_published(truth), channel="production"))
    assert not committed.changed
    assert objects(truth) == before


def test_a_refused_change_writes_nothing(truth):
    before = objects(truth)
    with pytest.raises(Conflict):
        truth.commit(a_channel("production"))
    assert objects(truth) == before


def test_an_unknown_app_is_not_found(truth):
    other = AppId("com.example.other")
    for call in (truth.releases.load, truth.releases.head, lambda app: truth.releases.history(app, 9)):
        with pytest.raises(NotFound, match=r"unknown app 'com\.example\.other'"):
            call(other)
    with pytest.raises(NotFound):
        truth.commit(a_channel(), other)


def test_a_change_for_another_app_is_refused(truth):
    with pytest.raises(Invalid, match="was sent to app"):
        truth.commit(CreateApp(app="com.example.other"), AppId("com.example.elsewhere"))
    assert set(truth.releases.heads()) == {APP}


def test_a_writer_that_is_not_listed_opens_nothing(truth, tmp_path):
    stranger = load_or_create_writer(tmp_path / "stranger.key")
    with pytest.raises(Forbidden, match=stranger.id):
        Releases(truth.store, stranger, truth.trust)


@pytest.mark.parametrize("missing", ["zip", "manifest"])
def test_a_bundle_is_not_published_before_its_blobs(truth, missing):
    bundle = replace(a_published(truth, "2.0.0"), **{missing: digest("never uploaded")})
    before = objects(truth)
    with pytest.raises(Invalid, match=f"the {missing} {digest('never uploaded')} of bundle '2.0.0'") as refused:
        truth.commit(PublishBundle(bundle=bundle))
    assert refused.value.code == "missing_blob"
    assert objects(truth) == before


def test_a_commit_that_would_be_too_large_is_refused_and_the_old_state_stays(truth):
    grown = {f"2.0.{n}": a_bundle(f"2.0.{n}", comment="c" * 4_000) for n in range(900)}
    place_state(truth, replace(truth.releases.load(APP), revision=4, bundles=grown))
    bundle = replace(a_published(truth, "3.0.0"), comment="\N{ROCKET}" * 4_000)
    with pytest.raises(TooLarge) as refused:
        for n in range(40):
            last = truth.releases.head(APP)
            truth.commit(PublishBundle(bundle=replace(bundle, version=f"3.0.{n}")))
    assert refused.value.code == "revision_too_large"
    assert reading(truth).head(APP) == last
    assert last.revision > 4


def test_overrides_are_kept_in_blobs_and_survive(truth):
    for device in DEVICES:
        truth.commit(SetOverride(device=device, channel="production"))
    truth.commit(ClearOverride(device=DEVICES[0]))
    assert reading(truth).load(APP).overrides == dict.fromkeys(DEVICES[1:], "production")
    assert DEVICES[1].encode() not in revision_file(truth).read_bytes().split(b'"overrides":')[-1]


def test_a_change_elsewhere_leaves_the_override_blobs_alone(truth):
    truth.commit(SetOverride(device=DEVICES[0], channel="production"))
    before = set(truth.store.keys("blobs/"))
    truth.commit(a_channel("beta"))
    assert set(truth.store.keys("blobs/")) == before
    assert reading(truth).load(APP).overrides == {DEVICES[0]: "production"}


def test_an_altered_override_blob_is_refused_and_counted(truth):
    before = set(truth.store.keys("blobs/"))
    truth.commit(SetOverride(device=DEVICES[0], channel="production"))
    (key,) = set(truth.store.keys("blobs/")) - before
    path = truth.store.path(key)
    path.write_bytes(path.read_bytes().replace(b"production", b"proDuction"))
    releases = reading(truth)
    with pytest.raises(Unavailable, match=key.rpartition("/")[2]):
        releases.load(APP).overrides.get(DEVICES[0])
    assert releases.refused == {"bad_digest": 1}


def test_history_tells_the_chain_newest_first(truth):
    lines = reading(truth).history(APP, 10)
    assert [(line.number, line.at, line.by, line.kind, line.summary) for line in lines] == [
        (3, NOW, "test", "publish_bundle", "version=1.0.1 channel=production"),
        (2, NOW, "test", "create_channel", "name=production public=true"),
        (1, NOW, "test", "create_app", f"app={APP}"),
    ]
    assert lines[0].digest == truth.releases.head(APP).digest
    assert [line.previous for line in lines] == [lines[1].digest, lines[2].digest, None]


def test_history_stops_at_its_limit(truth):
    assert [line.number for line in truth.releases.history(APP, 2)] == [3, 2]


def test_a_page_begins_where_the_one_before_it_ended_without_reading_that_again(truth):
    releases = truth.releases
    end = releases.history(APP, 2)[-1]
    truth.store.path(revision_key(APP, 3, releases.head(APP).digest)).write_bytes(b"lost")
    assert [line.number for line in releases.history(APP, 2, before=end.number)] == [1]
    with pytest.raises(Untrusted):
        reading(truth).history(APP, 2, before=end.number)


def test_history_stops_at_a_link_that_was_altered(truth):
    second = truth.releases.history(APP, 2)[1]
    path = truth.store.path(revision_key(APP, 2, second.digest))
    path.write_bytes(path.read_bytes().replace(b'"by":"test"', b'"by":"me!!"'))
    with pytest.raises(Untrusted, match=r"revisions/2-.* was altered"):
        truth.releases.history(APP, 10)
    assert truth.releases.refused == {"bad_digest": 1}


def test_every_flipped_byte_of_a_revision_is_refused(truth):
    head, path = truth.releases.head(APP), revision_file(truth)
    good, revisions = path.read_bytes(), Revisions(truth.store)
    for place in range(len(good)):
        path.write_bytes(good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :])
        with pytest.raises(Untrusted, match="was altered"):
            revisions.load_revision(APP, *parts(head))
    assert revisions.refused == {"bad_digest": len(good)}


def test_a_change_on_an_altered_revision_names_the_repair(truth):
    path = revision_file(truth)
    path.write_bytes(path.read_bytes().replace(b"production", b"proDuction"))
    with pytest.raises(
        Untrusted, match=r"revisions/3-.* was altered: .*; run `edge store repair --from COPY`"
    ) as refused:
        Releases(truth.store, truth.writer, truth.trust).commit(APP, a_change(a_channel("beta")))
    assert refused.value.code == "bad_digest"


def test_a_revision_that_is_not_there_yet_is_unavailable(truth):
    with pytest.raises(Unavailable) as refused:
        truth.releases.load_revision(APP, 9, digest("nothing"))
    assert refused.value.code == "missing_object"


def test_damage_under_the_name_of_a_new_revision_is_not_pointed_at(truth):
    change = a_change(a_channel("beta"))
    coming = a_copy(truth).releases.commit(APP, change).head
    truth.store.create(revision_key(APP, *parts(coming)), b"damaged")
    with pytest.raises(Untrusted, match="was altered"):
        truth.releases.commit(APP, change)
    assert reading(truth).head(APP).revision == 3


def test_a_replayed_head_is_not_built_upon(truth):
    older = truth.head_file().read_bytes()
    truth.commit(a_channel("beta"))
    truth.head_file().write_bytes(older)
    with pytest.raises(Conflict, match=r"was rolled back .*accept-restored") as refused:
        truth.commit(a_channel("gamma"))
    assert refused.value.code == "older_store"
    assert truth.releases.heads()[APP].revision == 4
    assert truth.releases.refused == {"older_document": 2}
    assert set(truth.releases.problems) == {shard_of(APP)}


class Contested(FsStore):
    """Another writer is first with every swap of a head, as often as `times` says."""

    times, rival = 0, None

    def swap(self, key, data, tag):
        if self.times and key.startswith("heads/"):
            self.times -= 1
            self.rival()
        return super().swap(key, data, tag)


def contested(truth, times):
    """Releases over a contested store, and how the rival's channels are named."""
    rival, names = reading(truth), iter(range(10**6))
    store = Contested(truth.store.root)
    store.times = times
    store.rival = lambda: rival.commit(APP, a_change(a_channel(f"rival{next(names)}")))
    return Releases(store, truth.writer, truth.trust)


@pytest.mark.parametrize("times", [1, COMMIT_ATTEMPT_LIMIT - 1])
def test_a_lost_race_is_run_again_on_what_the_winner_made(truth, times):
    committed = contested(truth, times).commit(APP, a_change(a_channel("mine")))
    assert set(committed.state.channels) == {"production", "mine", *(f"rival{n}" for n in range(times))}
    assert reading(truth).load(APP) == committed.state
    assert len(reading(truth).history(APP, 10**6)) == 4 + times


def test_a_race_that_is_always_lost_is_a_clear_conflict(truth):
    with pytest.raises(Conflict, match="try again") as refused:
        contested(truth, COMMIT_ATTEMPT_LIMIT).commit(APP, a_change(a_channel("mine")))
    assert refused.value.code == "busy"
    assert "mine" not in reading(truth).load(APP).channels


def test_a_race_that_makes_the_change_impossible_is_refused_for_that_reason(truth):
    store = Contested(truth.store.root)
    store.times = 1
    store.rival = lambda: reading(truth).commit(APP, a_change(a_channel("mine")))
    with pytest.raises(Conflict, match="channel 'mine' already exists"):
        Releases(store, truth.writer, truth.trust).commit(APP, a_change(a_channel("mine")))


def test_a_refresh_proves_every_shard_and_then_only_the_old_ones(truth):
    assert truth.releases.refresh(NOW) == len(SHARDS) - 1  # the app's own was signed by its commit
    assert truth.releases.refresh(NOW + REFRESH_AFTER_SECONDS) == 0
    assert truth.releases.refresh(NOW + REFRESH_AFTER_SECONDS + 1) == len(SHARDS)
    heads = Heads(truth.store, truth.trust)
    assert {heads.shard(name).shard.issued for name in SHARDS} == {NOW + REFRESH_AFTER_SECONDS + 1}


def test_a_refresh_moves_the_sequence_and_no_app(truth):
    before, heads = truth.releases.heads(), Heads(truth.store, truth.trust)
    sequence = heads.shard(shard_of(APP)).shard.sequence
    truth.releases.refresh(NOW + 100)
    assert heads.shard(shard_of(APP)).shard.sequence == sequence + 1
    assert truth.releases.heads() == before


def test_a_clock_that_was_ahead_does_not_stop_the_proofs(truth):
    truth.releases.refresh(NOW + 10_000)
    assert truth.releases.refresh(NOW) == len(SHARDS)


def test_a_refresh_that_another_writer_overtakes_is_no_error(truth):
    truth.releases.refresh(NOW)
    store = Contested(truth.store.root)
    store.times, rival = len(SHARDS), reading(truth)
    store.rival = lambda: rival.refresh(NOW + 100)
    overtaken = Releases(store, truth.writer, truth.trust)
    assert overtaken.refresh(NOW + 100) == 0  # the rival proved them all meanwhile
    assert (overtaken.problems, overtaken.refused) == ({}, {})


def test_a_refresh_passes_a_bad_shard_by(truth):
    truth.releases.refresh(NOW)
    bad = truth.store.path(head_key("0"))
    bad.write_bytes(b"nonsense")
    assert truth.releases.refresh(NOW + 100) == len(SHARDS) - 1
    assert bad.read_bytes() == b"nonsense"


def test_apps_in_one_shard_do_not_touch_each_other(truth):
    apps = apps_of_one_shard(3)
    for app in apps:
        truth.create(app)
    before = truth.releases.heads()
    truth.commit(a_channel(), apps[1])
    after = truth.releases.heads()
    assert {app for app in after if after[app] != before[app]} == {apps[1]}


def test_blobs_are_where_their_digest_says(truth):
    bundle = truth.releases.load(APP).bundles["1.0.1"]
    for name in (bundle.zip, bundle.manifest):
        assert hashlib.sha256(truth.store.path(blob_key(name)).read_bytes()).hexdigest() == name


def parts(head):
    return head.revision, head.digest


def place_state(truth, state):
    """Make `state` the app's current one without the changes that would lead to it."""
    held = Heads(truth.store, truth.trust).shard(shard_of(APP))
    written = Revisions(truth.store).write(state, a_change(a_channel()), None, held.shard.apps[APP].digest)
    shard = build_successor(held.shard, NOW, {APP: Head(state.revision, written)})
    truth.store.swap(head_key(shard_of(APP)), encode_shard(truth.writer, shard), held.tag)


def a_copy(truth):
    return Truth(Path(shutil.copytree(truth.top, truth.top.parent / "copy")))
