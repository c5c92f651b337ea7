"""A node collects once a day, by the command that an operator has."""

import os
import time

from truths import put_blob

from edge.assembly.collecting import DAY_SECONDS, FIRST_SECONDS, Collecting, first_wait
from edge.node.processes.data_directory import DataDirectory
from edge.store.objects.port import head_key

NOW = 1_700_000_000.0


def test_the_first_collection_is_a_day_after_the_last_one_and_never_at_once():
    assert first_wait(0.0, NOW) == FIRST_SECONDS
    assert first_wait(NOW - 3_600, NOW) == DAY_SECONDS - 3_600
    assert first_wait(NOW - DAY_SECONDS + 1, NOW) == FIRST_SECONDS
    assert first_wait(NOW + 10 * DAY_SECONDS, NOW) == DAY_SECONDS


async def test_a_collection_is_counted_and_remembered(tmp_path):
    truth = DataDirectory(tmp_path / "data", time.time())
    put_blob(truth, b"young")
    collecting = Collecting(truth, 90)
    await collecting.collect()
    done = collecting.total
    assert (done.blobs, done.bytes, done.failures) == (0, 0, 0) and done.last > NOW
    assert Collecting(truth, 90).total.last == done.last


async def test_a_collection_that_fails_is_counted_and_said(tmp_path, caplog):
    truth = DataDirectory(tmp_path / "data", time.time())
    truth.releases.refresh(time.time())
    truth.store.path(head_key("3")).write_bytes(b"{}")
    collecting = Collecting(truth, 90)
    await collecting.collect()
    assert (collecting.total.failures, collecting.total.last) == (1, 0.0)
    assert "edge store verify" in caplog.text and os.path.exists(truth.store.root)
