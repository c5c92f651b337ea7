"""What a snapshot holds, small as it is kept: manifests come out as they were stored, digests are told apart."""

from factories import NOW, a_bundle, a_change, a_manifest, a_released_app, a_snapshot, an_app, digest

from edge.domain.changes.apply import apply
from edge.domain.changes.commands import ChannelSettings, DeleteBundle, PublishBundle, SetChannel
from edge.domain.decision.manifests import DigestSet
from edge.domain.decision.snapshot import READABLE_AFTER_DELETE_SECONDS, build_snapshot
from edge.domain.file_names import name_facts


def test_the_document_of_an_offered_bundle_is_the_stored_one_in_the_next_snapshot_too():
    first = a_released_app("1.0.1")
    before = a_snapshot(first)
    changed = apply(first, a_change(SetChannel(name="production", settings=ChannelSettings(self_set=True))))
    for snapshot in (before, a_snapshot(changed, before=before)):
        assert snapshot.manifest_of(a_bundle("1.0.1")) == a_manifest("1.0.1")


def test_a_digest_set_tells_the_first_from_the_last_and_holds_each_once():
    ends = ["0" * 64, "f" * 64]
    held = DigestSet.of([*ends, *ends])
    assert all(end in held for end in ends)
    assert not any(other in held for other in ("0" * 15 + "1" * 49, "1" * 64, "f" * 15 + "e" * 49))
    assert len(held) == 2
    assert ends[0] not in DigestSet.of([])


def test_names_of_a_bundle_that_was_published_without_are_read_from_its_manifest_once():
    old = a_released_app(bundle=a_bundle("1.0.1", names=None, plain_files=False))
    before = a_snapshot(old)
    (offer,) = before.channels["production"].offers()
    assert offer.bundle.names == name_facts([("index.html", ""), ("assets/1.js", "")])
    changed = apply(old, a_change(SetChannel(name="production", settings=ChannelSettings(self_set=True))))
    unread = build_snapshot(changed, {}.__getitem__, now=NOW, before=before)
    (again,) = unread.channels["production"].offers()
    assert again.bundle == offer.bundle


def test_plain_files_can_be_read_where_the_store_has_them_and_as_long_as_the_rest():
    plain, packed = digest("index.html1.0.1"), digest("index.html1.0.1blob")
    for kept in (True, False):
        state = an_app(PublishBundle(bundle=a_bundle("1.0.1", plain_files=kept)))
        deleted = apply(state, a_change(DeleteBundle(version="1.0.1")))
        gone = NOW + READABLE_AFTER_DELETE_SECONDS
        for snapshot in (a_snapshot(state), a_snapshot(deleted, now=gone - 1)):
            assert (snapshot.may_read("file", plain), snapshot.may_read("file", packed)) == (kept, True)
        assert not a_snapshot(deleted, now=gone).may_read("file", plain)


def test_plain_files_that_came_later_can_be_read_at_once():
    old = an_app(PublishBundle(bundle=a_bundle("1.0.1", plain_files=False)))
    before = a_snapshot(old)
    again = apply(old, a_change(PublishBundle(bundle=a_bundle("1.0.1", plain_files=True))))
    assert again.bundles["1.0.1"].plain_files
    assert a_snapshot(again, before=before).may_read("file", digest("index.html1.0.1"))
