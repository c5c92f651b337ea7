"""The audit of a running node: on disk when `record` returns, and held against what the store has of it."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest

from edge.config import AuditOptions
from edge.control.audit.audit_log import ASKED_FROM, LATE_LIMIT
from edge.control.audit.begun import begin_act, left_behind
from edge.control.audit.chain.anchors import Anchors, anchor_key
from edge.control.audit.chain.files import AuditFiles, records_of
from edge.control.audit.entry import ActKind, ActOutcome, AuditEntry
from edge.control.audit.local import verify_local
from edge.control.audit.opening import open_audit
from edge.domain.errors import OutOfRoom
from edge.store.disk.room import NoReserve
from edge.store.key_set import open_trust
from edge.store.objects.fs import FsStore
from edge.store.signing import load_or_create_writer

NOW = 1_700_000_000.0
DAY = 86_400.0


class Node:
    """The audit of a node called "homeid", whose clock a test sets."""

    def __init__(self, folder):
        self.folder, self.node_dir, self.at = folder, folder / "node", NOW
        self.node_dir.mkdir()
        (self.node_dir / "id").write_text("homeid")
        self.store = FsStore(folder / "store")
        self.writer = load_or_create_writer(self.node_dir / "writer.key")
        self.trust = open_trust(self.store, self.node_dir, NOW, self.writer)
        self.files = AuditFiles(self.node_dir / "audit")

    def open(self, *, writer=True, **options):
        given = AuditOptions(**options)
        parts = (self.store, self.trust, self.writer if writer else None, NoReserve(), given)
        return open_audit(self.node_dir, "homeid", *parts, clock=lambda: self.at)

    def change(self, **fields):
        told = {"at": self.at, "kind": ActKind.CHANGE, "operation": "set_channel", "who": "anna@example.com"}
        return AuditEntry(**told | fields)

    def refused(self, **fields):
        return self.change(**{"outcome": ActOutcome.REFUSED, "code": "forbidden"} | fields)

    @property
    def records(self):
        return [record for _, content in self.files.read() for record, _ in records_of(content)]

    @property
    def operations(self):
        return [record.operation for record in self.records]

    def faults(self):
        return [each.code for each in verify_local(self.node_dir, self.store, self.at + 3_600).verified.faults]

    @property
    def anchor(self):
        return Anchors(self.store, self.trust, self.open().owner, None).floor().anchor


@pytest.fixture
def node(tmp_path):
    return Node(tmp_path)


async def test_what_was_recorded_is_on_disk_and_verifies_without_a_proper_end(node):
    """As after a kill: nothing of the log is closed."""
    audit = node.open()
    for n in range(3):
        await audit.record(node.change(target=f"name=c{n}"))
    assert [record.target for record in node.records] == ["name=c0", "name=c1", "name=c2"]
    assert node.faults() == ["no_anchor"]  # said, since the end of a chain that was never anchored may be missing
    await audit.anchor()
    assert node.faults() == []


async def test_a_proper_end_is_anchored(node):
    audit = node.open()
    await audit.record(node.change())
    await audit.close()
    assert (node.faults(), node.anchor.n) == ([], 1)


async def test_there_is_an_anchor_within_a_minute_of_something_new(node):
    audit = node.open()
    await audit.record(node.change())
    await audit.tend()
    assert node.anchor.n == 1
    await audit.record(node.change())
    node.at += 10
    await audit.tend()
    assert node.anchor.n == 1
    node.at += 30
    await audit.tend()
    assert node.anchor.n == 2


@pytest.mark.parametrize("whole", [True, False])
async def test_the_address_of_the_request_is_kept_as_the_option_says(node, whole):
    audit = node.open(addresses="whole" if whole else "network")
    for address in ("192.0.2.77", "2001:db8:1:2::3", "::ffff:192.0.2.77", "", "unix"):
        ASKED_FROM.set(address)
        await audit.record(node.change())
    kept = [record.address for record in node.records]
    networks = ["192.0.2.0/24", "2001:db8:1::/48", "192.0.2.0/24", "", ""]
    assert kept == (["192.0.2.77", "2001:db8:1:2::3", "::ffff:192.0.2.77", "", "unix"] if whole else networks)
    ASKED_FROM.set("")


async def test_what_repeats_is_counted_and_the_count_is_recorded(node):
    audit = node.open()
    for _ in range(20):
        await audit.record(node.refused())
    assert len(node.records) == 1
    node.at += 60
    await audit.tend()
    assert [(record.count, record.since) for record in node.records] == [(1, 0.0), (19, NOW)]
    assert audit.counts["change", "refused"] == 20


async def test_counts_of_repeats_are_recorded_when_the_node_ends(node):
    audit = node.open()
    for _ in range(3):
        await audit.record(node.refused())
    await audit.close()
    assert [record.count for record in node.records] == [1, 2]
    assert node.faults() == []


def block(node, n):
    """Nothing can be written where the next file would be; returns what ends it."""
    path = node.files.path_of(n)
    path.mkdir(parents=True)
    return path.rmdir


async def test_while_nothing_can_be_recorded_nothing_can_be_changed_and_then_it_is_made_up_for(node):
    end = block(node, 1)
    audit = node.open()
    await audit.record(node.change(target="name=a"))
    with pytest.raises(OutOfRoom) as refused:
        audit.check()
    assert (refused.value.code, refused.value.status, audit.waiting) == ("audit_unavailable", 507, 1)
    end()
    node.at += 5
    await audit.tend()
    audit.check()
    assert next((record.target, record.since) for record in node.records) == ("name=a", NOW)
    assert audit.waiting == 0
    await audit.close()
    assert node.faults() == []


async def test_what_finds_no_room_in_memory_either_is_counted(node):
    end = block(node, 1)
    audit = node.open()
    for n in range(LATE_LIMIT + 3):
        audit.note(node.change(target=f"name={n}"))
    await audit.record(node.change())
    assert audit.waiting == LATE_LIMIT + 4
    end()
    await audit.tend()
    assert [(record.operation, record.count) for record in node.records][-1] == ("audit_lost", 4)


@pytest.mark.parametrize("who", ["", "anna@example.com"])
async def test_a_login_that_failed_does_not_wait_for_the_disk_whoever_was_meant(node, who):
    """Or its time would tell which addresses are known."""
    audit = node.open()
    with node.files.locked():
        async with asyncio.timeout(60):
            await audit.record(node.refused(kind=ActKind.LOGIN, operation="login_password", who=who))
    await audit.close()
    assert node.operations == ["login_password"]


async def test_strangers_leave_room_in_memory_for_who_is_known(node):
    """Or they could hide a rollback or a revoked token, which pass while the disk takes nothing."""
    end = block(node, 1)
    audit = node.open()
    for n in range(LATE_LIMIT):
        audit.note(node.change(who="", outcome=ActOutcome.REFUSED, code="unauthorized", address=f"192.0.2.{n}"))
    await audit.record(node.change(operation="roll_channel_back"))
    end()
    await audit.tend()
    assert "roll_channel_back" in [record.operation for record in node.records]


async def test_records_that_are_old_enough_go_and_the_chain_verifies(node):
    audit = node.open(retention_days=7)
    for _ in range(10):
        await audit.record(node.change())
        node.at += DAY
    await audit.tend()
    assert (node.faults(), len(node.files.paths())) == ([], 7)
    assert node.anchor.start_n == 3
    first = node.files.paths()[0]
    first.unlink()
    assert "missing_start" in node.faults()


async def test_a_chain_that_lost_its_end_is_found_when_the_node_starts_and_said_for_ever(node):
    audit = node.open()
    for _ in range(3):
        await audit.record(node.change())
    await audit.close()
    (path,) = node.files.paths()
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:2]))
    assert node.faults() == ["truncated"]
    again = node.open()
    await again.begin()
    assert again.problem and node.operations == ["set_channel", "audit_broken"]
    await again.close()
    assert node.faults() == ["was_broken"]


async def test_a_chain_that_is_gone_is_found_too(node):
    audit = node.open()
    await audit.record(node.change())
    await audit.close()
    for path in node.files.paths():
        path.unlink()
    again = node.open()
    await again.begin()
    assert node.operations == ["audit_broken"]


async def test_an_older_anchor_in_the_store_hides_nothing_from_the_node(node):
    audit = node.open()
    await audit.record(node.change())
    await audit.anchor()
    key = anchor_key("homeid")
    old = node.store.get(key)
    await audit.record(node.change())
    await audit.close()
    node.store.swap(key, old.data, node.store.get(key).tag)
    (path,) = node.files.paths()
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:2]))
    assert "truncated" in node.faults() and "bad_anchor" in node.faults()


async def test_an_anchor_of_another_node_or_a_stranger_is_not_believed(node):
    audit = node.open()
    await audit.record(node.change())
    await audit.close()
    key = anchor_key("homeid")
    stored = node.store.get(key)
    node.store.swap(key, stored.data.replace(b"homeid", b"others"), stored.tag)
    assert "bad_anchor" in node.faults()


async def test_a_node_without_a_key_chains_and_signs_nothing(node):
    audit = node.open(writer=False)
    await audit.record(node.change())
    await audit.tend()
    await audit.close()
    (node.node_dir / "writer.key").unlink()
    assert (node.faults(), node.store.get(anchor_key("homeid"))) == ([], None)


async def test_two_processes_of_a_node_record_side_by_side(node):
    one, other = node.open(), node.open()
    for _ in range(3):
        await one.record(node.change())
        await other.record(node.change())
    await one.close()
    await other.close()
    assert (node.faults(), len(node.records)) == ([], 6)


async def test_what_is_too_long_or_no_text_is_cut_before_it_is_stored(node):
    audit = node.open()
    await audit.record(node.change(who="\ud800\n" + "x" * 1_000, target="\x1b[2J"))
    (record,) = node.records
    assert len(record.who) == 256 and record.who.startswith("\ufffd\ufffd") and record.target == "\ufffd[2J"
    assert msgspec.json.encode(record)


async def test_what_a_killed_process_had_begun_is_recorded_by_the_next_as_maybe_done(node):
    killed, names = node.open(), ("anna", "ben", "cleo", "dora")
    acts = {name: node.change(kind=ActKind.ACCESS, operation="create_token", who=name) for name in names}
    begun = {name: await killed.begin_act(act) for name, act in acts.items()}
    await killed.record(acts["anna"], begun["anna"])
    await killed.record(msgspec.structs.replace(acts["ben"], change=begun["ben"].id))  # and killed just after it
    begun["ben"].leave()
    begun["cleo"].leave()
    (node.files.folder / "half.begun").write_bytes(b'{"at"')
    node.at += 60
    again = node.open()
    await again.tend()
    told = [(record.who, record.outcome.value, record.code, record.at, record.since) for record in node.records]
    assert told == [
        ("anna", "done", "", NOW, 0.0),
        ("ben", "done", "", NOW, 0.0),
        ("cleo", "unknown", "cut_off", NOW + 60, NOW),
    ]
    assert list(node.files.folder.glob("*.begun")) == [begun["dora"].path]  # whose process lives
    begun["dora"].end()
    await again.close()
    assert node.faults() == []


def test_who_looks_while_acts_begin_and_end_finds_none(tmp_path):
    """However close: one that was refused has no record that would say so."""
    files, over = AuditFiles(tmp_path / "audit"), threading.Event()

    def look():
        found = []
        while not over.is_set():
            found += left_behind(AuditFiles(files.folder))
        return found

    with ThreadPoolExecutor(1) as looker:
        found = looker.submit(look)
        try:
            for n in range(400):
                begin_act(files, AuditEntry(at=NOW, kind=ActKind.ACCESS, operation="add_person", change=f"{n}")).end()
        finally:
            over.set()
        assert found.result() == []
