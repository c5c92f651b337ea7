"""What a device was told is stored is counted, a duplicate, or dropped by a limit that has a name: nothing else."""

import json
import time

from factories import APP
from node_world import a_truth, publish

from edge.facts.table import FactsTable
from edge.node.service.device_service import DeviceService
from edge.node.service.facts_client import FactsClient
from edge.node.service.limits.event_limits import BURST_SECONDS, EventLimits
from edge.node.service.limits.overload import Overload
from edge.node.service.peers import Peer, Proxies
from edge.node.service.snapshots.builder import SnapshotBuilder
from edge.node.service.snapshots.served import ServedSnapshots
from edge.telemetry.folding.counts import read_totals
from edge.telemetry.folding.fold import fold
from edge.telemetry.spool.spool import Spool


async def test_every_event_that_was_answered_with_200_is_counted_a_duplicate_or_dropped_by_a_named_limit(tmp_path):
    """Through the service, with a limit that some reports pass."""
    truth = a_truth(tmp_path)
    committed = publish(truth, "1.0.1")
    current = ServedSnapshots(truth.store)
    current.swap([SnapshotBuilder(truth.store).build(APP, committed.head, time.time())])
    spool = Spool(tmp_path / "spool", "node", 0, sync=lambda fd: None)
    service = DeviceService(
        current,
        spool,
        public_url="",
        allowed_hosts=frozenset(),
        proxies=Proxies(),
        overload=Overload(10),
        event_limits=EventLimits(10 / BURST_SECONDS, 0.0),
        net_key=bytes(16),
        facts=FactsClient(FactsTable(tmp_path / "no table"), lambda message: None),
    )
    acknowledged = 0
    for turn in range(12):
        batch = [report_of(APP, timestamp=turn // 3), report_of(APP)]  # each dated one three times
        reply = await service.take_report(json.dumps(batch).encode(), Peer("192.0.2.1", "192.0.2.1"))
        acknowledged += len(batch) * (reply.status == 200)
    await spool.close()
    fold(tmp_path / "spool", tmp_path / "counts.db", now=time.time())
    totals = read_totals(tmp_path / "counts.db")
    assert totals["folded"] + totals["duplicates"] + service.counts.events["over_limit"] == acknowledged == 24
    assert totals["duplicates"] and service.counts.events["over_limit"]
    assert totals["folded"] + totals["duplicates"] == service.counts.events["stored"]


def report_of(app, timestamp=None):
    """A report of an app; with a timestamp every one of them is the same."""
    dated = {} if timestamp is None else {"timestamp": 1_760_000_000_000 + timestamp}
    return {
        "app_id": app,
        "device_id": "00009a6b-eefe-490a-9c60-8e965132ae51",
        "platform": "android",
        "version_name": "1.0.1",
        "plugin_version": "8.51.23",
        "action": "app_moved_to_foreground",
        **dated,
    }
