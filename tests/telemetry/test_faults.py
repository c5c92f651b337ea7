"""When this node itself failed downloads: how far each word reaches, and that memory has an end."""

import pytest

from edge.domain.attempts import ATTEMPT_SECONDS
from edge.domain.facts import name_hash
from edge.telemetry import faults as module
from edge.telemetry.facts_changes import Faulted
from edge.telemetry.faults import SLACK_SECONDS, Faults

NOW = 1_760_000_000.0
APP, V, HERE = "com.acme.shop", name_hash("1.0.4"), "192.0.2.1"


@pytest.mark.parametrize(
    ("offered_after", "ours"),
    [(-60.0, True), (0.0, True), (SLACK_SECONDS - 0.01, True), (SLACK_SECONDS, False), (60.0, False)],
)
def test_a_fault_excuses_what_was_offered_before_it(offered_after, ours):
    faults = Faults(NOW - 1000)
    faults.note(Faulted(APP, "1.0.4"), NOW)
    assert faults.since(APP, V, HERE, NOW + offered_after) is ours


def test_the_latest_fault_counts():
    faults = Faults(NOW - 1000)
    for at in (NOW, NOW + 100):
        faults.note(Faulted(APP, "1.0.4"), at)
    assert faults.since(APP, V, HERE, NOW + 50)
    assert len(faults) == 1


@pytest.mark.parametrize(("offered_after", "ours"), [(-0.5, True), (0.0, False), (0.5, False)])
def test_what_was_offered_before_the_start_is_excused(offered_after, ours):
    assert Faults(NOW + 0.9).since(APP, V, HERE, NOW + offered_after) is ours


def test_too_many_to_tell_apart_excuse_everything(monkeypatch):
    monkeypatch.setattr(module, "FAULTS_LIMIT", 5)
    faults = Faults(NOW - 1000)
    for number in range(6):
        faults.note(Faulted("com.other.app", "1.0.0", f"192.0.2.{number}"), NOW)
    assert faults.since(APP, V, HERE, NOW) and len(faults) <= 5


def test_old_faults_make_room_first(monkeypatch):
    monkeypatch.setattr(module, "FAULTS_LIMIT", 5)
    faults = Faults(NOW - 10_000)
    for number in range(5):
        faults.note(Faulted("com.other.app", "1.0.0", f"192.0.2.{number}"), NOW)
    later = NOW + 2 * ATTEMPT_SECONDS + 1
    faults.note(Faulted(APP, "1.0.4", HERE), later)
    assert len(faults) == 1
    assert faults.since(APP, V, HERE, later) and not faults.since(APP, V, "192.0.2.9", later)
