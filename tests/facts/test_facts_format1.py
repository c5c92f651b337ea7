"""What the previous format wrote is read: bytes that its own encoder made, kept as they were.

The table in `format-1` is of a moment before the last changes, which only the log has; the log ends torn.
"""

import io
import json
import shutil
import tarfile
from pathlib import Path

import pytest
from facts_world import APP, NOW, no_sync

from edge.domain.facts import NO_FACTS, Cause, DeviceFacts, Failure, FailureStage, hour_of, name_hash
from edge.facts import migration
from edge.facts.changes import Chose, Failed
from edge.facts.recovery import recover
from edge.facts.slot import NewerFacts
from edge.facts.table import FactsTable
from edge.facts.writer import FactsWriter

FIXTURE = Path(__file__).parent / "format-1"
LOG = "000000000001.log"


def unpack(directory: Path) -> Path:
    with tarfile.open(fileobj=io.BytesIO((FIXTURE / "facts.tar.gz").read_bytes())) as archive:
        archive.extraction_filter = getattr(tarfile, "data_filter", None)  # Debian 12's Python has no filters yet
        archive.extractall(directory)
    return directory


def expected() -> dict[str, DeviceFacts]:
    """By device, in today's words: what failed does not start, and of the offers the latest have room."""
    return {device: _facts(**known) for device, known in json.loads((FIXTURE / "expected.json").read_text()).items()}


def _facts(channel: str, withheld: list[str], since: list[int], offered: list[str]) -> DeviceFacts:
    failures = tuple(
        Failure(name_hash(version), FailureStage.FOR_GOOD, Cause.UPDATE_FAIL, 0, hour_of(day * 86_400))
        for version, day in zip(withheld, since, strict=True)
    )
    names = tuple(map(name_hash, offered))[-(4 - len(failures)) :]
    return DeviceFacts(name_hash(channel) if channel else 0, failures, names)


def known(directory: Path) -> dict[str, DeviceFacts]:
    table = FactsTable(directory / "facts.table")
    try:
        return {device: table.look_up(APP, device) for device in expected()}
    finally:
        table.close()


def start(directory: Path, capacity: int = 1000) -> tuple[str, ...]:
    recovered = recover(directory, capacity)
    recovered.pages.close()
    return recovered.problems


def test_the_previous_format_is_read(tmp_path):
    assert start(unpack(tmp_path)) == ()
    assert known(tmp_path) == expected()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["facts.table"]
    assert start(tmp_path) == ()
    assert known(tmp_path) == expected()


def test_a_small_capacity_loses_nothing_that_matters(tmp_path):
    start(unpack(tmp_path), capacity=1)
    assert {device: facts.failures for device, facts in known(tmp_path).items()} == {
        device: facts.failures for device, facts in expected().items()
    }


async def test_a_writer_goes_on_where_the_previous_release_ended(tmp_path):
    device = next(device for device, facts in expected().items() if facts.offered)
    writer = FactsWriter(unpack(tmp_path), capacity=1000, clock=lambda: NOW, sync=no_sync)
    try:
        await writer.record([Chose(APP, device, "beta"), Failed(APP, device, "1.0.2")])
    finally:
        await writer.close()
    after = known(tmp_path)[device]
    assert after.channel == name_hash("beta")
    assert [failure.bundle for failure in after.failures] == [name_hash("1.0.2")]
    assert {**known(tmp_path), device: None} == {**expected(), device: None}


class Stopped(Exception):
    pass


STOPS = ("create_pages", "_put", "sync_directory", "_remove")


@pytest.mark.parametrize("step", STOPS)
def test_a_start_that_was_cut_short_is_made_up_by_the_next(tmp_path, step, monkeypatch):
    def stop(*arguments: object) -> None:
        raise Stopped

    with monkeypatch.context() as patched:
        patched.setattr(migration, step, stop)
        with pytest.raises(Stopped):
            start(unpack(tmp_path))
    assert start(tmp_path) == ()
    assert known(tmp_path) == expected()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["facts.table"]


def test_a_damaged_table_leaves_what_its_log_knows(tmp_path):
    table = unpack(tmp_path) / "facts.table"
    table.write_bytes(b"X" + table.read_bytes()[1:])
    (problem,) = start(tmp_path)
    assert "damaged" in problem
    assert known(tmp_path) == expected()  # this log has every state, and the table only some
    assert (tmp_path / "facts.table.damaged").exists()


def test_a_lost_table_leaves_what_its_log_knows(tmp_path):
    (unpack(tmp_path) / "facts.table").unlink()
    assert start(tmp_path) == ()
    assert known(tmp_path) == expected()


def test_a_lost_log_leaves_what_the_table_knows(tmp_path):
    (unpack(tmp_path) / LOG).unlink()
    start(tmp_path)
    first = next(iter(expected()))
    assert known(tmp_path)[first].offered == (name_hash("1.0.1"),)


def test_a_log_of_another_table_is_said(tmp_path):
    start(unpack(tmp_path / "other"))
    unpack(tmp_path / "node")
    shutil.copy(tmp_path / "node" / LOG, tmp_path / "node" / "000000000002.log")
    assert start(tmp_path / "node") == ()
    assert known(tmp_path / "node") == expected()


def test_a_format_of_a_later_release_is_left_alone(tmp_path):
    start(unpack(tmp_path))
    table = tmp_path / "facts.table"
    newer = table.read_bytes().replace(b"edgefact\x02", b"edgefact\x03", 1)
    table.write_bytes(newer)
    with pytest.raises(NewerFacts):
        start(tmp_path)
    assert table.read_bytes() == newer


def test_nobody_is_known_in_an_empty_directory(tmp_path):
    assert start(tmp_path) == ()
    assert set(known(tmp_path).values()) == {NO_FACTS}
