"""A worker says that it failed a download itself: of which bundles, to whom, and not again and again."""

import hashlib

from factories import APP, a_bundle, a_change, a_released_app, a_snapshot, digest

from edge.domain.changes.apply import apply
from edge.domain.changes.commands import PublishBundle
from edge.facts.changes import Faulted
from edge.node.service import own_faults
from edge.node.service.own_faults import REPEAT_SECONDS, OwnFaults

ZIP = digest("zip 1.0.1")
FILE = digest("index.html1.0.1blob")


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def a_worker(*versions):
    state, told, clock = a_released_app("1.0.1"), [], Clock()
    for version in versions:
        state = apply(state, a_change(PublishBundle(bundle=a_bundle(version), channel="production")))
    snapshot = a_snapshot(state)
    return OwnFaults(lambda app: snapshot if app == APP else None, told.append, clock), told, clock


def test_a_blob_is_told_as_the_bundles_that_devices_fetch_it_for():
    faults, told, _ = a_worker("1.0.2")
    for blob in (ZIP, FILE, hashlib.sha256(b"nobody's").hexdigest()):
        faults.note_download(APP, blob)
    faults.note_download("com.other.app", ZIP)
    assert told == [Faulted(APP, "1.0.1"), Faulted(APP, "1.0.1")]


def test_a_cut_for_slowness_is_the_peers_alone():
    faults, told, _ = a_worker()
    faults.note_download(APP, ZIP, "192.0.2.1")
    faults.note_download(APP, ZIP, "192.0.2.2")
    faults.note_download(APP, ZIP)
    assert told == [Faulted(APP, "1.0.1", "192.0.2.1"), Faulted(APP, "1.0.1", "192.0.2.2"), Faulted(APP, "1.0.1")]


def test_the_same_fault_is_told_once_in_a_while():
    faults, told, clock = a_worker()
    for _ in range(100):
        faults.note_everything()
        faults.note_download(APP, ZIP)
    assert told == [Faulted(), Faulted(APP, "1.0.1")]
    clock.now += REPEAT_SECONDS
    faults.note_everything()
    assert told[2:] == [Faulted()]


def test_memory_is_bounded_and_nothing_goes_untold(monkeypatch):
    monkeypatch.setattr(own_faults, "RECENT_LIMIT", 3)
    faults, told, _ = a_worker()
    for number in range(10):
        faults.note_download(APP, ZIP, f"192.0.2.{number}")
    assert len(told) == 10
