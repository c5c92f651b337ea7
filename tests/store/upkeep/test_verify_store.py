"""What a verification says about a store: whole, damaged at which kind, or written by a newer release."""

import os
import shutil

import pytest
from factories import APP, NOW, a_manifest, digest
from truths import Truth, a_channel, a_released_truth, publish, put_blob

from edge.domain.changes.commands import PutIdSet, RollBack, SetOverride
from edge.store.acceptance import AcceptedBy
from edge.store.heads import Head, Heads, build_successor, encode_shard, shard_of
from edge.store.key_set import KEY_SET_KEY, read_trust
from edge.store.objects.files import StoreFiles
from edge.store.objects.port import blob_key, head_key, revision_key
from edge.store.revision_document import encode_overrides
from edge.store.stored_document import Untrusted, digest_of
from edge.store.upkeep.damaged import DamagedObject, ObjectKind, once_each
from edge.store.upkeep.verify import StoreVerification

RETENTION_SECONDS = 90 * 86_400.0
DEVICE = "00000001-0000-4000-8000-000000000000"
OTHER_DEVICE = "00000002-0000-4000-8000-000000000000"  # of another part
TOKENS = "access/tokens.json"


@pytest.fixture
def truth(tmp_path):
    """An app with everything that a revision can refer to."""
    truth = a_released_truth(tmp_path / "node")
    truth.commit(SetOverride(device=DEVICE, channel="production"))
    truth.commit(PutIdSet(name="vip", blob=put_blob(truth, b"ids"), ids=1))
    publish(truth, "1.0.2")
    truth.releases.refresh(NOW)
    truth.store.create(TOKENS, b"tokens")
    return truth


def open_tokens(content):
    if content != b"tokens":
        raise Untrusted("bad_signature", "not the tokens")


def verified(truth, *, hashing=True, app=None, now=NOW):
    files = StoreFiles(truth.store.root)
    look = StoreVerification(files, lambda: read_trust(files, truth.top, compare=True), {TOKENS: open_tokens})
    return look.run(
        now=now, retention_seconds=RETENTION_SECONDS, app=app, hashing=hashing, reach=lambda *progress: None
    )


def damaged(truth, **options):
    return [(each.kind, each.fault, each.name) for each in verified(truth, **options).damaged]


def flip(truth, key):
    """One bit, at the end: the size stays."""
    path = truth.store.path(key)
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


def revision_at(truth, number):
    (key,) = truth.store.keys(f"apps/{APP}/revisions/{number}-")
    return key


def head_revision(truth):
    head = truth.releases.head(APP)
    return revision_key(APP, head.revision, head.digest)


def overrides_blob():
    return digest_of(encode_overrides({DEVICE: "production"}).popitem()[1])


DAMAGED = {
    "a key set": (lambda truth: KEY_SET_KEY, ObjectKind.KEY_SET, ""),
    "the tokens": (lambda truth: TOKENS, ObjectKind.TOKENS, ""),
    "a head": (lambda truth: head_key(shard_of(APP)), ObjectKind.HEAD, ""),
    "the current revision": (head_revision, ObjectKind.REVISION, ""),
    "an older revision": (lambda truth: revision_at(truth, 2), ObjectKind.HISTORY, ""),
    "overrides": (lambda truth: blob_key(overrides_blob()), ObjectKind.OVERRIDES, ""),
    "an id set": (lambda truth: blob_key(digest("ids")), ObjectKind.ID_SET, "vip"),
    "a manifest": (lambda truth: blob_key(digest_of(a_manifest("1.0.2"))), ObjectKind.MANIFEST, "1.0.2"),
    "a zip": (lambda truth: blob_key(digest("zip 1.0.1")), ObjectKind.ZIP, "1.0.1"),
    "a packed file": (lambda truth: blob_key(digest("index.html1.0.2blob")), ObjectKind.FILE, "1.0.2"),
    "a plain file": (lambda truth: blob_key(digest("index.html1.0.2")), ObjectKind.FILE, "1.0.2"),
}


@pytest.mark.parametrize("what", DAMAGED)
def test_one_flipped_bit_is_found_at_its_grain(truth, what):
    key, kind, name = DAMAGED[what]
    flip(truth, key(truth))
    ((found, _, named),) = damaged(truth)
    assert (found, named) == (kind, name)


@pytest.mark.parametrize("what", DAMAGED)
def test_a_missing_object_is_found_at_its_grain(truth, what):
    key, kind, name = DAMAGED[what]
    truth.store.path(key(truth)).unlink()
    ((found, fault, named),) = damaged(truth)
    assert (found, named) == (kind, name)
    assert fault in ("missing", "no_key_set", "swapped_store")


def test_a_whole_store_is_whole_and_counted(truth):
    found = verified(truth)
    assert found.damages == () and found.unreferenced == (0, 0)
    assert (found.apps, found.revisions, found.bundles) == (1, 6, 2)
    assert found.blobs.files == 2 * (1 + 1 + 4) + 2  # zip, manifest and files; the id set and the overrides


def test_looking_changes_nothing(truth):
    before = {path: path.stat().st_mtime_ns for path in truth.top.rglob("*")}
    verified(truth)
    assert {path: path.stat().st_mtime_ns for path in truth.top.rglob("*")} == before


def test_a_copy_without_a_pin_is_verified_by_its_own_key_set_and_not_pinned(truth):
    (truth.top / "trust.json").unlink()
    assert verified(truth).damages == ()
    assert not (truth.top / "trust.json").exists()


def test_another_store_under_the_pin_is_damage(truth, tmp_path):
    other = a_released_truth(tmp_path / "other")
    truth.store.path(KEY_SET_KEY).write_bytes(other.store.path(KEY_SET_KEY).read_bytes())
    assert damaged(truth)[0] == (ObjectKind.KEY_SET, "swapped_store", "")


def test_a_fast_look_finds_a_truncated_blob_but_not_a_flipped_bit(truth):
    flip(truth, blob_key(digest("zip 1.0.1")))
    assert damaged(truth, hashing=False) == []
    os.truncate(truth.store.path(blob_key(digest("zip 1.0.1"))), 2)
    assert damaged(truth, hashing=False) == [(ObjectKind.ZIP, "bad_size", "1.0.1")]


def test_a_link_in_place_of_a_blob_is_damage(truth):
    path = truth.store.path(blob_key(digest("zip 1.0.1")))
    path.rename(path.with_suffix(".moved"))
    path.symlink_to(path.with_suffix(".moved"))
    assert damaged(truth) == [(ObjectKind.ZIP, "missing", "1.0.1")]


def test_only_the_named_app_is_looked_at(truth):
    truth.create("com.acme.other")
    flip(truth, blob_key(digest("zip 1.0.1")))
    assert damaged(truth, app="com.acme.other") == []
    assert verified(truth, app="com.acme.other").unreferenced is None
    assert len(damaged(truth, app=APP)) == 1


def test_what_a_newer_release_wrote_is_no_damage(truth):
    key = head_revision(truth)
    content = truth.store.path(key).read_bytes().replace(b'"format":', b'"format":9', 1)
    head = truth.releases.head(APP)
    newer = revision_key(APP, head.revision, digest_of(content))
    truth.store.create(newer, content)
    move_head(truth, newer)
    shutil.rmtree(truth.top / "seen")  # the other one with this number
    found = verified(truth)
    assert found.damaged == [] and [each.key for each in found.newer] == [newer]


def move_head(truth, key):
    held = Heads(truth.store, truth.trust).shard(shard_of(APP))
    number, _, digest_text = key.rpartition("/")[2].removesuffix(".json").partition("-")
    moved = build_successor(held.shard, NOW, {**held.shard.apps, APP: Head(int(number), digest_text)})
    truth.store.swap(head_key(shard_of(APP)), encode_shard(truth.writer, moved), held.tag)


def test_blobs_that_nothing_refers_to_and_transfers_are_counted(truth):
    put_blob(truth, b"nobody's")
    truth.store.scratch().write_bytes(b"half")
    found = verified(truth)
    assert (found.damages, found.unreferenced, found.transfers) == ((), (1, 8), (1, 4))


def test_changes_made_with_a_lost_part_of_the_overrides_add_no_damage(truth):
    flip(truth, blob_key(overrides_blob()))
    truth.commit(RollBack(channel="production"))
    truth.commit(SetOverride(device=OTHER_DEVICE, channel="production"))
    assert damaged(truth) == [(ObjectKind.OVERRIDES, "bad_digest", "")]


def test_history_is_followed_past_a_damaged_revision(truth):
    flip(truth, revision_at(truth, 4))
    flip(truth, revision_at(truth, 2))
    assert damaged(truth) == [(ObjectKind.HISTORY, "bad_digest", ""), (ObjectKind.HISTORY, "bad_digest", "")]


def test_what_lies_below_a_damaged_head_is_verified_too(truth):
    flip(truth, head_key(shard_of(APP)))
    flip(truth, blob_key(digest("zip 1.0.2")))
    assert damaged(truth) == [(ObjectKind.HEAD, "unreadable_document", ""), (ObjectKind.ZIP, "bad_digest", "1.0.2")]


def test_every_damage_says_what_it_means_and_what_repairs_it(truth):
    for key in [find(truth) for find, _, _ in DAMAGED.values()]:
        flip(truth, key)
    for each in verified(truth).damages:
        assert each.kind.means and each.repairs


def test_a_store_that_went_back_is_not_whole(truth):
    head = truth.head_file()
    older = head.read_bytes()
    truth.commit(a_channel("later"), id="later")
    assert verified(truth).damages == ()
    head.write_bytes(older)
    ((kind, fault, _),) = damaged(truth)
    assert (kind, fault) == (ObjectKind.HEAD, "older_document")


def test_a_store_whose_past_was_accepted_is_whole(truth):
    head = truth.head_file()
    older = head.read_bytes()
    truth.commit(a_channel("later"), id="later")
    head.write_bytes(older)
    again = Truth(truth.top)
    again.releases.accept_restored(AcceptedBy("accept", NOW, "root"), dry=False)
    found = verified(truth)
    assert (found.damages, found.revisions) == ((), 7)


@pytest.mark.parametrize("how", ["missing", "altered"])
def test_a_manifest_that_older_revisions_have_too_is_listed_once_by_its_worst_meaning(truth, how):
    truth.commit(a_channel("later"), id="later")  # the manifest of 1.0.2 is in two revisions
    key = blob_key(digest_of(a_manifest("1.0.2")))
    if how == "missing":
        truth.store.path(key).unlink()
    else:
        flip(truth, key)
    assert [(each.kind, each.key) for each in verified(truth).damages] == [(ObjectKind.MANIFEST, key)]


def test_the_worst_meaning_goes_first_in_whatever_order_they_are_found():
    def of(kind, app="com.acme.app", name="1.0.0"):
        return DamagedObject(kind, "blobs/x", "missing", "gone", app, name)

    past, current = of(ObjectKind.PAST_BLOB), of(ObjectKind.MANIFEST)
    assert once_each([past, current]) == once_each([current, past, past]) == (current,)
    assert once_each([current, of(ObjectKind.MANIFEST, name="1.0.1"), past]) == (current._replace(also=1),)
    assert once_each([of(ObjectKind.ZIP), current]) == (current,)
