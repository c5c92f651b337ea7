"""Deliveries: complete or cut, by bundle, form and encoding, in bounded memory."""

from collections import Counter

from decision_world import a_view
from factories import APP, a_manifest, digest
from histories import a_history

from edge.domain.manifest import read_manifest
from edge.node.service.heard import delivery_counts
from edge.node.service.heard.delivery_counts import DeliveryCounts, SentBlob, by_bundle
from edge.telemetry.spool.worker_records import DeliveredCount

SNAPSHOT = a_view(a_history(()).state)
ZIP = SNAPSHOT.channels["production"].stable.offer.bundle.zip


def counts_of(*, snapshot=SNAPSHOT):
    return DeliveryCounts(lambda app: snapshot, Counter())


def test_an_answer_is_complete_when_all_of_it_was_sent_and_else_cut():
    counts = counts_of()
    sent = SentBlob(APP, "zip", ZIP, "")
    counts.note(sent, 100, 100, 0.5)
    counts.note(sent, 60, 100, 0.2)
    counts.note(sent, 40, 40, None)  # the rest of it, as a range
    counts.note(sent, 100, 100, 0.25)
    assert by_bundle(counts.take()) == {APP: [DeliveredCount("1.0.1", "zip", "identity", 3, 1, 300, 0.75)]}
    assert counts.take() == []


def test_a_patch_has_a_form_and_an_encoding_of_its_own():
    counts = counts_of()
    of = next(entry.blob for entry in read_manifest(a_manifest("1.0.1")))
    counts.note(SentBlob(APP, "file", of, ""), 10, 10, None)
    counts.note(SentBlob(APP, "file", of, "dcz"), 3, 3, 0.1)
    found = {(each.bundle, each.form, each.encoding): each.bytes for each in by_bundle(counts.take())[APP]}
    assert found == {("1.0.1", "file", "identity"): 10, ("1.0.1", "patch", "dcz"): 3}


def test_what_no_bundle_has_that_can_be_offered_is_of_none():
    for snapshot in (SNAPSHOT, None):
        counts = counts_of(snapshot=snapshot)
        counts.note(SentBlob(APP, "zip", digest("another"), ""), 5, 5, 0.1)
        assert by_bundle(counts.take()) == {APP: [DeliveredCount("other", "zip", "identity", 1, 0, 5, 0.1)]}


def test_beyond_the_limit_of_blobs_answers_are_dropped_and_counted(monkeypatch):
    monkeypatch.setattr(delivery_counts, "BLOBS_LIMIT", 2)
    dropped = Counter()
    counts = DeliveryCounts(lambda app: SNAPSHOT, dropped)
    for number in range(5):
        counts.note(SentBlob(APP, "file", digest(str(number)), ""), 1, 1, None)
    counts.note(SentBlob(APP, "file", digest("0"), ""), 1, 1, None)
    assert dropped == {"deliveries_dropped": 3}
    assert sum(each.complete for each in by_bundle(counts.take())[APP]) == 3
