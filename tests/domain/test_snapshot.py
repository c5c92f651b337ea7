"""What a snapshot holds, small as it is kept: manifests come out as they were stored, digests are told apart."""

from factories import a_bundle, a_change, a_manifest, a_released_app, a_snapshot

from edge.domain.apply import apply
from edge.domain.commands import ChannelSettings, SetChannel
from edge.domain.snapshot import DigestSet


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
