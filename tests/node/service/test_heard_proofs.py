"""When proofs were heard: over restarts, boots, clocks that are set, and disks that cannot be written."""

import logging

import pytest

from edge.node.service.heard_proofs import HeardProofs, since_boot
from edge.node.service.rollout_clock import Moments

NOW, LIMIT, HOUR = 1_700_000_000.0, 900.0, 3_600.0


class Machine:
    """Its clocks, and one file."""

    def __init__(self, path):
        self.path, self.clock, self.booted, self.boot = path, NOW, 5_000.0, "boot-1"

    def pass_(self, seconds):
        self.clock += seconds
        self.booted += seconds

    def reboot(self):
        self.boot, self.booted = f"{self.boot}+", 20.0

    def start(self, **issued):
        proofs = HeardProofs(self.path, LIMIT, lambda: self.clock, lambda: self.booted, self.boot)
        proofs.learn(issued)
        return proofs


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path / "heard.json")


def test_what_is_heard_is_fresh_for_as_long_as_it_may_be(machine):
    proofs = machine.start(a=NOW - 50)
    machine.pass_(LIMIT - 50)
    assert not proofs.stale()
    machine.pass_(1)
    assert proofs.stale()["a"].age_seconds == LIMIT + 1
    proofs.learn({"a": machine.clock})
    assert not proofs.stale()


def test_a_proof_that_is_heard_again_is_no_newer(machine):
    proofs = machine.start(a=NOW)
    for _ in range(30):
        machine.pass_(60)
        proofs.learn({"a": NOW})  # replayed, or repeated by a node above that is cut off itself
    assert proofs.stale()


def test_each_shard_has_its_own_age(machine):
    proofs = machine.start(a=NOW, b=NOW)
    machine.pass_(LIMIT + 1)
    proofs.learn({"a": machine.clock, "b": NOW})
    assert set(proofs.stale()) == {"b"}


@pytest.mark.parametrize("set_to", [0, -HOUR, HOUR - 1, -30 * 86_400])
def test_a_restart_while_cut_off_makes_nothing_fresher_whatever_the_clock_says(machine, set_to):
    proofs = machine.start(a=NOW - 60)
    proofs.learn({"a": NOW})
    proofs.save()
    machine.pass_(LIMIT - 10)
    machine.clock += set_to
    again = machine.start(a=NOW)
    assert bool(again.stale()) == (set_to > 0)  # a clock that is ahead makes it careful
    machine.pass_(20)
    assert again.stale()


@pytest.mark.parametrize("set_to", [0, -HOUR, -30 * 86_400])
def test_a_boot_while_cut_off_makes_nothing_fresher_than_was_noted(machine, set_to):
    proofs = machine.start(a=NOW - 60)
    proofs.learn({"a": NOW})
    proofs.save()
    machine.pass_(LIMIT + 100)
    proofs.save()
    machine.reboot()
    machine.clock += set_to
    again = machine.start(a=NOW)
    assert again.stale()
    again.learn({"a": NOW + 2_000})  # heard: whatever the clock says
    assert ("a" in again.stale()) == (machine.clock - (NOW + 2_000) > LIMIT)


def test_a_clock_that_was_ahead_once_does_not_count_after_a_proof_was_heard(machine):
    proofs = machine.start(a=NOW)
    machine.clock += 10 * HOUR
    machine.booted += 40
    proofs.save()
    machine.clock -= 10 * HOUR
    machine.pass_(40)
    proofs.learn({"a": machine.clock})
    proofs.save()
    machine.reboot()
    machine.clock += 60
    assert not machine.start(a=machine.clock - 70).stale()


@pytest.mark.parametrize("content", [b"", b"{}", b'{"format":9,"boot":"","latest":0,"heard":{}}', b"\xff" * 90])
def test_a_note_that_cannot_be_read_is_made_up_for_by_the_clock(machine, content):
    machine.path.write_bytes(content)
    assert not machine.start(a=NOW - 100).stale()
    assert machine.start(a=NOW - LIMIT - 1).stale()


def test_a_disk_that_cannot_be_written_stops_nothing(machine):
    proofs = HeardProofs(machine.path / "no" / "folder", LIMIT, lambda: NOW, lambda: 1.0, "b")
    proofs.learn({"a": NOW})
    proofs.save()
    assert not proofs.stale()


def test_it_is_said_once_and_once_when_it_is_over(machine, caplog):
    caplog.set_level(logging.INFO)
    proofs = machine.start(a=NOW, b=NOW)
    for _ in range(3):
        machine.pass_(LIMIT)
        proofs.watch()
    proofs.learn({"a": machine.clock})
    proofs.watch()
    proofs.learn({"a": machine.clock, "b": machine.clock})
    proofs.watch()
    said = [record.getMessage() for record in caplog.records]
    assert [text.split(":")[0] for text in said] == [
        "offering nothing new for 2 of 2 head shards",
        "what is current is known again",
    ]
    assert "is 30 min old" in said[0] and "than 15 min counts" in said[0]


def test_a_node_that_holds_the_truth_keeps_nothing(machine):
    proofs = HeardProofs(machine.path, 0, lambda: NOW, lambda: 1.0, "b")
    proofs.learn({"a": 1.0})
    proofs.save()
    assert not proofs.stale() and not machine.path.exists() and not proofs.heard


def test_workers_judge_as_the_supervisor_does_and_no_answer_outlives_a_tick(machine):
    proofs = machine.start(a=NOW)
    moments, turns = Moments(NOW, lambda: machine.booted, LIMIT), []
    moments.turned = lambda: turns.append(moments.of("a").stale is not None)
    moments.learn({"a": NOW}, proofs.heard)
    machine.pass_(LIMIT + 1)
    machine.clock -= HOUR
    moments.tick(machine.clock)
    assert turns == [False, True]  # what stood is forgotten at the very tick
    assert moments.of("a").stale == proofs.stale()["a"]
    moments.learn({"a": NOW + LIMIT}, {"a": machine.booted})
    assert turns[-1] is False and not moments.stale()


def test_the_clock_since_boot_goes_on():
    assert 0 < since_boot() <= since_boot()
