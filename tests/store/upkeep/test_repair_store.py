"""What is damaged is replaced by the same bytes from a copy or from what the node remembers, and by nothing older."""

import io
import shutil
from contextlib import closing

import pytest
from factories import APP, NOW, a_manifest, digest
from truths import Truth, a_released_truth, publish

from edge.store.acceptance import AcceptedBy
from edge.store.heads import shard_of
from edge.store.key_set import KEY_SET_KEY, read_trust
from edge.store.objects.files import StoreFiles
from edge.store.objects.port import blob_key, head_key, revision_key
from edge.store.stored_document import digest_of
from edge.store.upkeep.archive import ExportedStore
from edge.store.upkeep.export import StoreExport
from edge.store.upkeep.repair import StoreRepair, leads_further
from edge.store.upkeep.replacements import Replacements
from edge.store.upkeep.verify import StoreVerification

RETENTION_SECONDS = 90 * 86_400.0


@pytest.fixture
def truth(tmp_path):
    truth = a_released_truth(tmp_path / "node")
    publish(truth, "1.0.2")
    truth.releases.refresh(NOW)
    return truth


@pytest.fixture
def copy(truth, tmp_path):
    shutil.copytree(truth.store.root, tmp_path / "copy")
    return StoreFiles(tmp_path / "copy")


def quietly(*progress):
    pass


def damages(truth):
    look = StoreVerification(truth.store, lambda: read_trust(truth.store, truth.top, compare=True), {})
    return look.run(now=NOW, retention_seconds=RETENTION_SECONDS, app=None, hashing=True, reach=quietly).damages


def repair(truth, copy, *, dry_run=False):
    return StoreRepair(truth.store, truth.top, copy, {}).run(damages(truth), dry_run=dry_run)


def head_revision(truth):
    head = truth.releases.head(APP)
    return revision_key(APP, head.revision, head.digest)


DAMAGED = {
    "a key set": (lambda truth: KEY_SET_KEY, "node"),
    "a head": (lambda truth: head_key(shard_of(APP)), "node"),
    "a revision": (head_revision, "copy"),
    "a manifest": (lambda truth: blob_key(digest_of(a_manifest("1.0.2"))), "copy"),
    "a zip": (lambda truth: blob_key(digest("zip 1.0.2")), "copy"),
}


def damage(truth, key, how):
    path = truth.store.path(key)
    if how == "altered":
        content = path.read_bytes()
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    else:
        path.unlink()


@pytest.mark.parametrize("how", ["altered", "missing"])
@pytest.mark.parametrize("what", DAMAGED)
def test_what_is_damaged_is_whole_again(truth, copy, what, how):
    find, source = DAMAGED[what]
    damage(truth, find(truth), how)
    assert [each.source for each in repair(truth, copy, dry_run=True)] == [source]
    assert len(damages(truth)) == 1
    assert [each.source for each in repair(truth, copy)] == [source]
    assert damages(truth) == ()
    assert Truth(truth.top).releases.load(APP).bundles


def test_everything_is_repaired_at_once(truth, copy):
    for key in [find(truth) for find, _ in DAMAGED.values()]:
        damage(truth, key, "altered")
    while leads_further(repair(truth, copy)):  # the key set to the head, that to the revision, that to the manifest
        pass
    assert damages(truth) == ()


def test_an_export_is_a_copy(truth, tmp_path):
    target = io.BytesIO()
    job = StoreExport(StoreFiles(truth.store.root), truth.top, {})
    job.write(target, now=NOW, retention_seconds=RETENTION_SECONDS, keys=False, reach=quietly)
    (tmp_path / "export").write_bytes(target.getvalue())
    damage(truth, blob_key(digest("zip 1.0.2")), "altered")
    with closing(ExportedStore(tmp_path / "export")) as exported:
        repair(truth, exported)
    assert damages(truth) == ()


def test_without_a_copy_it_says_what_to_publish_again(truth):
    damage(truth, blob_key(digest("zip 1.0.2")), "missing")
    (left,) = repair(truth, None)
    assert (left.source, left.reason) == ("", "there is no copy")
    assert f"edge bundle publish {APP} SOURCE --version 1.0.2" in left.damage.repairs[1]


def test_a_copy_that_is_damaged_in_the_same_place_repairs_nothing(truth, copy):
    for store in (truth.store, copy):
        store.path(blob_key(digest("zip 1.0.2"))).write_bytes(b"zip 9.9.9")
    (left,) = repair(truth, copy)
    assert left.reason == "it is damaged in the copy, too"


def test_an_older_head_of_a_copy_is_refused(truth, copy):
    publish(truth, "1.0.3")
    damage(truth, head_key(shard_of(APP)), "altered")
    (repaired,) = repair(truth, copy)
    assert repaired.source == "node"
    assert Truth(truth.top).releases.load(APP).bundles["1.0.3"]


def test_another_stores_head_is_refused(truth, tmp_path):
    other = a_released_truth(tmp_path / "other")
    shutil.rmtree(truth.top / "seen")
    damage(truth, head_key(shard_of(APP)), "altered")
    (left,) = repair(truth, other.store)
    assert left.source == "" and "signed by" in left.reason


def gone_back(truth, *, damaged):
    """The store as the copy has it, under a node that has seen another publish; its head possibly unreadable, too."""
    shutil.copytree(truth.store.root, truth.top / "older")
    publish(truth, "1.0.3")
    shutil.rmtree(truth.store.root)
    (truth.top / "older").rename(truth.store.root)
    if damaged:
        damage(truth, head_key(shard_of(APP)), "altered")


@pytest.mark.parametrize("with_copy", [True, False])
@pytest.mark.parametrize("damaged", [True, False])
def test_a_head_is_not_put_back_without_its_revisions(truth, copy, damaged, with_copy):
    gone_back(truth, damaged=damaged)
    before = truth.head_file().read_bytes()
    (left,) = repair(truth, copy if with_copy else None)
    assert left.source == ""
    assert f"node: revision 5 of app '{APP}' is" in left.reason and "`edge store accept-restored`" in left.reason
    assert truth.head_file().read_bytes() == before


def test_a_head_whose_revisions_only_the_copy_has_is_put_back(truth, tmp_path):
    publish(truth, "1.0.3")
    shutil.copytree(truth.store.root, tmp_path / "newest")
    truth.store.path(head_revision(truth)).unlink()
    damage(truth, head_key(shard_of(APP)), "altered")
    while leads_further(repair(truth, StoreFiles(tmp_path / "newest"))):
        pass
    assert damages(truth) == ()
    assert Truth(truth.top).releases.load(APP).bundles["1.0.3"]


def test_a_store_that_went_back_is_accepted_after_a_repair_without_its_revisions(truth):
    gone_back(truth, damaged=False)
    repair(truth, None)
    again = Truth(truth.top)
    again.releases.accept_restored(AcceptedBy("accept", NOW, "root"), dry=False)
    assert damages(truth) == ()


def needs_no_copy(truth):
    own = Replacements(StoreFiles(truth.store.root), truth.top, None, {})
    return {each.key: each.remembered for each in own.noted(damages(truth))}


@pytest.mark.parametrize("what", DAMAGED)
def test_a_copy_is_named_only_for_what_the_node_does_not_remember(truth, what):
    find, source = DAMAGED[what]
    damage(truth, find(truth), "altered")
    (found,) = Replacements(StoreFiles(truth.store.root), truth.top, None, {}).noted(damages(truth))
    assert found.remembered is (source == "node")
    assert (found.repairs == ("edge store repair --write",)) is found.remembered
    assert ("edge store repair --from COPY" in found.repairs) is not found.remembered


def test_what_the_node_remembers_of_revisions_that_are_nowhere_repairs_nothing(truth):
    gone_back(truth, damaged=False)
    assert needs_no_copy(truth) == {head_key(shard_of(APP)): False}
