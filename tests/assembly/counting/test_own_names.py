"""Which versions an app has or had, for telemetry: deleted ones, deleted apps, and apps that cannot be read."""

from factories import APP, a_change
from node_world import a_truth, publish

from edge.assembly.counting.own_names import APPS_KEPT, OwnNames
from edge.domain.changes.commands import CreateApp, DeleteApp, DeleteBundle, StartRollout
from edge.domain.model import AppId
from edge.store.revisions import revision_key


def test_deleted_bundles_and_new_ones_are_an_apps_own(tmp_path):
    truth = a_truth(tmp_path)
    publish(truth, "1.0.1", channel=None)
    names = OwnNames(truth.releases)
    assert names.of(APP) == {"1.0.1"}
    truth.releases.commit(APP, a_change(DeleteBundle(version="1.0.1")))
    publish(truth, "1.0.2")
    assert names.of(APP) == {"1.0.1", "1.0.2"}


def test_a_deleted_app_keeps_its_names_and_an_unknown_one_has_none(tmp_path):
    truth = a_truth(tmp_path)
    publish(truth, "1.0.1", channel=None)
    truth.releases.commit(APP, a_change(DeleteApp(app=APP)))
    names = OwnNames(truth.releases)
    assert names.of(APP) == {"1.0.1"}
    assert names.of("com.unknown") is None and names.of("not an app") is None


def test_an_app_that_cannot_be_read_keeps_the_names_that_were_read(tmp_path):
    truth = a_truth(tmp_path)
    publish(truth, "1.0.1")
    names = OwnNames(truth.releases)
    assert names.of(APP) == {"1.0.1"}
    head = publish(truth, "1.0.2").head
    path = truth.store.path(revision_key(APP, head.revision, head.digest))
    whole = path.read_bytes()
    path.write_bytes(b"damaged")
    assert names.of(APP) == {"1.0.1"}
    assert OwnNames(truth.releases).of(APP) == set()
    path.write_bytes(whole)
    assert names.of(APP) == {"1.0.1", "1.0.2"}


def test_names_of_many_apps_keep_to_their_room(tmp_path):
    truth = a_truth(tmp_path)
    truth.releases.commit("com.second", a_change(CreateApp(app="com.second")))
    names = OwnNames(truth.releases)
    names._kept.update({AppId(f"com.app{n}"): (None, frozenset()) for n in range(APPS_KEPT)})
    names.of(APP)
    names.of("com.second")
    assert len(names._kept) == APPS_KEPT


def test_releases_under_guard_are_those_of_the_last_revision(tmp_path):
    truth = a_truth(tmp_path)
    publish(truth, "1.0.1")
    publish(truth, "1.0.2", channel=None)
    names = OwnNames(truth.releases)
    assert names.of(APP) and names.watches_of(APP) == ()
    truth.releases.commit(APP, a_change(StartRollout(channel="production", bundle="1.0.2", steps=(5_000,))))
    names.of(APP)
    (watch,) = names.watches_of(APP)
    assert (watch.channel, watch.bundle, watch.acts) == ("production", "1.0.2", True)
