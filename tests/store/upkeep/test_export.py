"""An export is consistent, verified and whole; an import is all of it or nothing."""

import gc
import io
import shutil
import tarfile
from contextlib import closing

import pytest
from factories import APP, NOW
from truths import Truth, a_released_truth, publish

from edge.domain.errors import Conflict, EdgeError, Forbidden, Unavailable
from edge.store.key_set import KEY_SET_KEY, read_trust
from edge.store.objects.files import StoreFiles
from edge.store.secrets.secret_box import SecretBox
from edge.store.signing import load_or_create_writer
from edge.store.stored_document import Untrusted
from edge.store.upkeep.archive import BEGIN, END, ExportedStore
from edge.store.upkeep.export import StoreExport, import_store
from edge.store.upkeep.verify import StoreVerification

RETENTION_SECONDS = 90 * 86_400.0
NODE_FILES = ("writer.key", "trust.json")


@pytest.fixture
def truth(tmp_path):
    truth = a_released_truth(tmp_path / "node")
    publish(truth, "1.0.2")
    truth.releases.refresh(NOW)
    return truth


def quietly(*progress):
    pass


def exported(truth, *, keys=True, reach=quietly, store=None):
    target = io.BytesIO()
    job = StoreExport(store or StoreFiles(truth.store.root), truth.top, {})
    job.write(target, now=NOW, retention_seconds=RETENTION_SECONDS, keys=keys, reach=reach)
    return target.getvalue()


def imported(content, top):
    def verify(files, node_dir):
        look = StoreVerification(files, lambda: read_trust(files, node_dir), {})
        return look.run(now=NOW, retention_seconds=RETENTION_SECONDS, app=None, hashing=True, reach=quietly)

    top.mkdir(exist_ok=True)
    return import_store(io.BytesIO(content), top / "store", top, verify, quietly)


def objects(store):
    return {key: store.get(key).tag for key in store.keys("")}


def test_an_import_is_the_same_store_and_its_node_changes_it(truth, tmp_path):
    imported(exported(truth), tmp_path / "other")
    assert objects(StoreFiles(tmp_path / "other" / "store")) == objects(truth.store)
    other = Truth(tmp_path / "other")
    assert other.releases.load(APP) == truth.releases.load(APP)
    publish(other, "1.0.3")


def test_what_is_published_meanwhile_is_not_in_it(truth, tmp_path):
    before = truth.releases.load(APP)

    def publish_once(stage, done, total):
        if stage == "objects exported" and done == 1:
            publish(truth, "1.0.3")

    imported(exported(truth, reach=publish_once), tmp_path / "other")
    assert Truth(tmp_path / "other").releases.load(APP) == before


def test_keys_are_in_it_only_if_asked_for(truth):
    def names(content):
        with tarfile.open(fileobj=io.BytesIO(content)) as tar:
            return {name for name in tar.getnames() if name.startswith("node/")}

    assert names(exported(truth)) == {"node/writer.key", "node/trust.json"}
    assert names(exported(truth, keys=False)) == set()


def test_an_import_without_keys_needs_the_nodes_own(truth, tmp_path):
    content = exported(truth, keys=False)
    with pytest.raises(Forbidden, match="--with-keys"):
        imported(content, tmp_path / "other")
    for name in NODE_FILES:
        shutil.copy2(truth.top / name, tmp_path / "other" / name)
    imported(content, tmp_path / "other")
    assert Truth(tmp_path / "other").releases.load(APP).bundles


def test_an_import_takes_no_other_nodes_place(truth, tmp_path):
    other = a_released_truth(tmp_path / "other")
    with pytest.raises(Conflict, match="is there already"):
        imported(exported(truth), other.top)
    other.store.root.rename(tmp_path / "away")
    with pytest.raises(Conflict, match="another node's key"):
        imported(exported(truth), other.top)


def test_an_older_copy_under_a_node_that_saw_newer_is_refused_by_the_node(truth):
    content = exported(truth, keys=False)
    publish(truth, "1.0.3")
    truth.store.root.rename(truth.top / "lost")
    imported(content, truth.top)
    with pytest.raises(Conflict, match="rolled back"):
        publish(Truth(truth.top), "1.0.4")


def cut(content):
    return content[: len(content) // 2]


def without_end(content):
    return copied(content, lambda member: [] if member.name == END else [member])


def with_flipped_bit(content):
    at = content.index(b"zip 1.0.2")
    return content[:at] + b"Z" + content[at + 1 :]


def with_member(name):
    def added(member):
        return [tarfile.TarInfo(name), member] if member.name == END else [member]

    return lambda content: copied(content, added)


def copied(content, members_for):
    """The export again, each member as the members that it becomes."""
    target = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(content)) as source, tarfile.open(fileobj=target, mode="w") as tar:
        for member in source.getmembers():
            for each in members_for(member):
                tar.addfile(each, source.extractfile(member))
    return target.getvalue()


def newer(content):
    return content.replace(b'{"format":1,"store"', b'{"format":9,"store"', 1)


WRONG = {
    "cut": cut,
    "without its end": without_end,
    "altered": with_flipped_bit,
    "newer": newer,
    "no export": lambda content: b"hello",
    "empty": lambda content: b"",
    "a name that leads out": with_member("../../etc/cron.d/x"),
    "an absolute name": with_member("/etc/cron.d/x"),
    "a reserved name": with_member("locks/x"),
    "a stray file of the node": with_member("node/admin.token"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_export_leaves_nothing_behind(truth, tmp_path, what):
    with pytest.raises(EdgeError):
        imported(WRONG[what](exported(truth)), tmp_path / "other")
    assert list((tmp_path / "other").iterdir()) == []


@pytest.mark.parametrize("lost", [True, False])
def test_a_damaged_store_is_not_exported(truth, lost):
    (path,) = (each for each in truth.store.root.rglob("*") if each.is_file() and each.read_bytes() == b"zip 1.0.2")
    path.unlink()
    if not lost:
        path.write_bytes(b"zip 1.0.X")
    with pytest.raises(Unavailable, match="edge store verify"):
        exported(truth)


def test_an_export_is_read_in_any_order(truth, tmp_path):
    (tmp_path / "export").write_bytes(exported(truth))
    with closing(ExportedStore(tmp_path / "export")) as store:
        for key, tag in objects(truth.store).items():
            assert store.get(key).tag == tag
        assert store.get("heads/x.json") is None and store.has(BEGIN)


def test_a_store_that_another_root_signed_is_not_exported(truth, tmp_path):
    other = a_released_truth(tmp_path / "other")
    truth.store.path("keys/writers.json").write_bytes(other.store.path("keys/writers.json").read_bytes())
    with pytest.raises(Untrusted):
        exported(truth)


def test_a_store_that_went_back_is_not_exported(truth, tmp_path):
    shutil.copytree(truth.store.root, tmp_path / "older")
    publish(truth, "1.0.3")
    shutil.rmtree(truth.store.root)
    (tmp_path / "older").rename(truth.store.root)
    with pytest.raises(Unavailable, match=r"rolled back from sequence 5 to 4.*edge store verify"):
        exported(truth)


def test_a_store_whose_key_set_went_back_is_not_exported(truth):
    path = truth.store.path(KEY_SET_KEY)
    older = path.read_bytes()
    truth.trust.add_writer(truth.writer, load_or_create_writer(truth.top / "second.key").public, NOW)
    path.write_bytes(older)
    with pytest.raises(Unavailable, match=r"key set was rolled back.*edge store verify"):
        exported(truth)


def test_an_export_that_meets_a_full_disk_ends_with_that_alone(truth):
    """Warnings are errors: so is what a closed tar file says when it is collected."""
    with open("/dev/full", "wb", buffering=0) as full, pytest.raises(OSError, match="No space left"):
        StoreExport(StoreFiles(truth.store.root), truth.top, {}).write(
            full, now=NOW, retention_seconds=RETENTION_SECONDS, keys=False, reach=quietly
        )
    gc.collect()


class Pipe(io.RawIOBase):
    """It can neither seek nor say where it is."""

    def __init__(self):
        self.content = b""

    def writable(self):
        return True

    def write(self, content):
        self.content += bytes(content)
        return len(content)


def test_an_export_goes_through_a_pipe(truth):
    pipe = Pipe()
    job = StoreExport(StoreFiles(truth.store.root), truth.top, {})
    job.write(pipe, now=NOW, retention_seconds=RETENTION_SECONDS, keys=True, reach=quietly)
    assert pipe.content == exported(truth)


def test_the_keys_of_secrets_go_with_the_other_keys(truth, tmp_path):
    box = SecretBox(truth.top / "secrets.key", make=True)
    sealed = box.seal(b"secret", "here")
    imported(exported(truth), tmp_path / "other")
    assert SecretBox(tmp_path / "other" / "secrets.key", make=False).open(sealed, "here") == b"secret"
    assert b"edge-secrets-1:" not in exported(truth, keys=False)
