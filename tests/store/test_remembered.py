"""Used version names and withdrawals, as a node remembers them for the day that its store goes back."""

import pytest
from factories import APP
from truths import Truth, a_channel, a_released_truth, publish

from edge.domain.changes.commands import DeleteBundle, Undo, WithdrawBundle
from edge.store.remembered import RememberedNames

OTHER = "com.example.other"


@pytest.fixture
def truth(tmp_path):
    truth = a_released_truth(tmp_path / "node")
    publish(truth, "1.0.2", id="p2")
    return truth


def remembered(truth, app=APP):
    return RememberedNames(Truth(truth.top).trust.seen).of(app)


def file_of(truth, app=APP):
    return truth.top / "seen" / "names" / f"{app}.json"


def test_a_publish_and_a_withdrawal_are_remembered_when_they_are_acknowledged(truth):
    assert (remembered(truth).revision, set(remembered(truth).names)) == (4, {"1.0.1", "1.0.2"})
    truth.commit(WithdrawBundle(version="1.0.2", reason="it crashes"))
    assert remembered(truth).names["1.0.2"].withdrawn == "it crashes"
    assert remembered(truth).names["1.0.1"].withdrawn == ""


def test_a_deleted_bundle_is_remembered(truth):
    publish(truth, "1.0.3", id="p3")
    truth.commit(a_channel("beta"), id="beta")
    truth.commit(WithdrawBundle(version="1.0.1", reason="old"), id="w")
    truth.commit(DeleteBundle(version="1.0.1"), id="d")
    assert set(remembered(truth).names) == {"1.0.1", "1.0.2", "1.0.3"}


def test_an_undo_of_a_withdrawal_is_remembered_too(truth):
    truth.commit(WithdrawBundle(version="1.0.2", reason="it crashes"), id="w")
    truth.commit(Undo(revision=5, force=True), id="u")
    assert remembered(truth).names["1.0.2"].withdrawn == ""


def test_a_change_of_no_name_writes_no_names(truth):
    before = file_of(truth).read_bytes()
    truth.commit(a_channel("beta"), id="beta")
    assert file_of(truth).read_bytes() == before


@pytest.mark.parametrize("lost", ["all", "damaged", "older"])
def test_what_a_process_did_not_remember_the_next_one_does(truth, lost):
    older = file_of(truth).read_bytes()
    publish(truth, "1.0.3", id="p3")
    if lost == "older":  # as if it had been killed between the head and the names
        file_of(truth).write_bytes(older)
    elif lost == "damaged":
        file_of(truth).write_bytes(older[:-2])
    else:
        file_of(truth).unlink()
    again = Truth(truth.top)
    again.releases.heads()
    again.releases.remember()
    assert set(remembered(truth).names) == {"1.0.1", "1.0.2", "1.0.3"}
    assert (again.trust.seen.damaged > 0) is (lost == "damaged")


def test_apps_are_remembered_some_at_a_time(truth):
    for n in range(5):
        truth.create(f"{OTHER}{n}")
    again = Truth(truth.top)
    for file in (truth.top / "seen" / "names").iterdir():
        file.unlink()
    again.releases.heads()
    for expected in (2, 4, 6, 6):
        again.releases.remember(limit=2)
        assert len(list((truth.top / "seen" / "names").iterdir())) == expected


def test_a_refused_shard_teaches_nothing(truth):
    older = truth.head_file().read_bytes()
    publish(truth, "1.0.3", id="p3")
    truth.head_file().write_bytes(older)
    file_of(truth).unlink()
    again = Truth(truth.top)
    again.releases.heads()
    again.releases.remember()
    assert not file_of(truth).exists()
