"""What Prometheus is told: the text format by golden lines, and families whose labels have an end."""

import math
import re

import pytest

from edge.domain.decision.outcomes import HoldReason, Reason
from edge.facts.writer import FactsCondition
from edge.node.observing.counts import Gauges, RequestCount, WorkerCounts, WorkerStatus
from edge.node.observing.folding_metrics import FoldingSeen
from edge.node.observing.metrics import BlobsSeen, Observed, build_metrics
from edge.node.service.limits.admission import Connections
from edge.node.service.peers import Proxies
from edge.wire.exposition import Family, Sample, encode_families

SAMPLE_LINE = re.compile(r'[a-z_]+(\{[a-z]+="(?:[^"\\\n]|\\[\\"n])*"(,[a-z]+="(?:[^"\\\n]|\\[\\"n])*")*\})? \S+')


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (1.0, "1"), (1.5, "1.5"), (2**53, "9007199254740992"), (math.inf, "+Inf"), (-math.inf, "-Inf")],
)
def test_numbers(value, text):
    assert encode_families([Family("a", "gauge", "b", [Sample({}, value)])]).endswith(f"a {text}\n".encode())


def test_nan_is_spelled_as_the_format_has_it():
    assert b"a NaN\n" in encode_families([Family("a", "gauge", "b", [Sample({}, math.nan)])])


def test_what_labels_and_help_may_hold():
    family = Family("edge_x_total", "counter", "one\ntwo \\ three", [Sample({"code": 'a"b\\c\nd', "shard": "0"}, 3)])
    assert encode_families([family]) == (
        b"# HELP edge_x_total one\\ntwo \\\\ three\n"
        b"# TYPE edge_x_total counter\n"
        b'edge_x_total{code="a\\"b\\\\c\\nd",shard="0"} 3\n'
    )


def test_a_family_without_samples_is_not_mentioned():
    assert encode_families([Family("edge_x", "gauge", "x", [])]) == b""


def worker(**counts) -> WorkerStatus:
    return WorkerStatus(pid=1, ready=True, restarts=2, apps=3, counts=WorkerCounts(**counts))


def observed(**changed) -> Observed:
    seen = {
        "version": "0.1.0",
        "now": 1_000.0,
        "workers": [],
        "apps": 3,
        "spool_bytes": 10,
        "folded": 5,
        "duplicates": 2,
        "heads_issued": {"0": 990.0, "f": 1_010.0},
        "heads_refused": ["f"],
        "refused": {"older_document": 1},
        "unremembered": 4,
        "set_aside": 3,
        "folded_at": 970.0,
        "facts": FactsCondition(4, 8, {"offers": 3, "failures": 0, "choices": 1}, 2, 5, 9),
        "failures_over_limit": 6,
        "facts_devices": {"offers": 70, "failures": 20, "choices": 10},
        "certificate_ends": None,
        "blobs": BlobsSeen(1, 2, {"wrong": 3}, 4, 5.0, 6, 7, 8, 9),
        "disk_free_bytes": 5000,
        "disk_full": True,
        "spool_faults": {"damaged": 8, "torn_tails": 1},
        "spool_unreadable": 9,
        "counts_set_aside": 1,
        "job_failures": {"fold": 2},
        "folding": FoldingSeen(True, 3, {"answered": 5, "unavailable": 1}, None, 2, 11, 12),
    }
    return Observed(**(seen | changed))


def lines(seen) -> list[str]:
    return [line for line in encode_families(build_metrics(seen)).decode().splitlines() if not line.startswith("#")]


@pytest.mark.parametrize(
    ("counts", "line"),
    [
        (
            {"requests": [RequestCount("updates", "2xx", 7)]},
            'edge_requests_total{worker="0",route="updates",status="2xx"} 7',
        ),
        ({"sent_bytes": {"bundles": 7}}, 'edge_sent_bytes_total{worker="0",route="bundles"} 7'),
        ({"decisions": {"offer": 7}}, 'edge_decisions_total{worker="0",outcome="offer"} 7'),
        ({"decisions": {"up_to_date": 7}}, 'edge_decisions_total{worker="0",outcome="up_to_date"} 7'),
        *(
            ({"decisions": {why.code: 7}}, f'edge_decisions_total{{worker="0",outcome="{why.code}"}} 7')
            for why in (*Reason, *HoldReason)
        ),
        ({"events": {"stored": 7}}, 'edge_events_total{worker="0",outcome="stored"} 7'),
        ({"events": {"refused": 7}}, 'edge_events_total{worker="0",outcome="refused"} 7'),
        (
            {"refused_events": {"no_room": 7}},
            'edge_worker_counts_total{worker="0",what="events_refused_no_room"} 7',
        ),
        ({"withheld": {"set_fail": 7}}, 'edge_bundles_withheld_total{worker="0",cause="set_fail"} 7'),
        ({"closed": {"worker_limit": 7}}, 'edge_connections_closed_total{worker="0",why="worker_limit"} 7'),
        ({"shed": {"checks": 7}}, 'edge_shed_total{worker="0",what="checks"} 7'),
        ({"others": {"lane_handed_over": 7}}, 'edge_worker_counts_total{worker="0",what="lane_handed_over"} 7'),
    ],
)
def test_every_count_of_a_worker_has_one_place(counts, line):
    without = lines(observed(workers=[worker()]))
    assert sorted(lines(observed(workers=[worker(**counts)]))) == sorted([*without, line])


NOW = Gauges(
    connections=1, in_progress=2, downloads=3, overloaded=1, lost_blobs=5, unserved_apps=6, loaded_apps=7, unread_apps=8
)


def test_what_a_worker_has_now():
    told = lines(observed(workers=[worker(gauges=NOW)]))
    for line in (
        'edge_connections{worker="0"} 1',
        'edge_requests_in_progress{worker="0"} 2',
        'edge_downloads_in_progress{worker="0"} 3',
        'edge_overloaded{worker="0"} 1',
        'edge_lost_blobs{worker="0"} 5',
        'edge_apps_unserved{worker="0"} 6',
        'edge_apps_loaded{worker="0"} 7',
        'edge_apps_unread{worker="0"} 8',
    ):
        assert line in told


def test_what_is_known_of_blobs():
    told = lines(observed())
    for line in (
        "edge_blob_readings_total 1",
        "edge_blob_read_bytes_total 2",
        'edge_blobs_damaged_total{fault="wrong"} 3',
        "edge_blobs_healed_total 4",
        "edge_scrub_completed_timestamp_seconds 5",
        "edge_blobs_scrubbed_total 6",
        "edge_scrubbed_bytes_total 7",
        "edge_scrub_unreadable_apps 8",
        "edge_proofs_dropped_total 9",
    ):
        assert line in told


def test_every_count_has_one_name_for_the_api():
    counts = WorkerCounts(
        decisions={"offer": 1},
        events={"stored": 2, "over_limit": 3, "refused": 4, "unknown_app": 5},
        refused_events={"no_room": 4},
        withheld={"set_fail": 6},
        shed={
            "unloaded_checks": 16,
            "unloaded_requests": 17,
            "unserved_checks": 14,
            "unserved_requests": 15,
            "checks": 7,
            "downloads": 8,
            "downloads_over_limit": 9,
        },
        closed=Connections(0, Proxies()).closed(),
        requests=[RequestCount("updates", "2xx", 10)],
        sent_bytes={"updates": 11},
        others={"lane_checks": 12},
        damaged={"bundle": 13},
        gauges=NOW,
    )
    assert counts.by_name() == {
        "offer": 1,
        "events": 2,
        "events_over_limit": 3,
        "events_refused": 4,
        "events_of_unknown_apps": 5,
        "events_refused_no_room": 4,
        "withheld/set_fail": 6,
        "checks_unloaded": 16,
        "requests_unloaded": 17,
        "checks_unserved": 14,
        "requests_unserved": 15,
        "checks_shed": 7,
        "downloads_shed": 8,
        "downloads_over_limit": 9,
        "connections_refused": 0,
        "connections_full": 0,
        "slow_heads": 0,
        "slow_bodies": 0,
        "unread_answers": 0,
        "unread_over_limit": 0,
        "slow_handshakes": 0,
        "bad_tls": 0,
        "long_heads": 0,
        "malformed_requests": 0,
        "requests/updates/2xx": 10,
        "sent_bytes/updates": 11,
        "lane_checks": 12,
        "connections": 1,
        "in_progress": 2,
        "downloads": 3,
        "overloaded": 1,
        "lost_blobs": 5,
        "unserved_apps": 6,
        "loaded_apps": 7,
        "unread_apps": 8,
        "damaged/bundle": 13,
    }


def test_the_nodes_own_state():
    told = lines(observed(workers=[worker(), WorkerStatus(None, False, 0, 0, WorkerCounts())]))
    for line in (
        'edge_build_info{version="0.1.0"} 1',
        'edge_worker_up{worker="0"} 1',
        'edge_worker_up{worker="1"} 0',
        'edge_worker_restarts_total{worker="0"} 2',
        'edge_heads_age_seconds{shard="0"} 10',
        'edge_heads_age_seconds{shard="f"} 0',  # a clock that went back is no negative age
        'edge_heads_refused{shard="0"} 0',
        'edge_heads_refused{shard="f"} 1',
        'edge_documents_refused_total{code="older_document"} 1',
        "edge_unremembered_documents 4",
        "edge_set_aside_files 3",
        "edge_fold_age_seconds 30",
        "edge_events_folded_total 5",
        "edge_events_duplicate_total 2",
        'edge_spool_faults_total{kind="damaged"} 8',
        'edge_spool_faults_total{kind="torn_tails"} 1',
        "edge_spool_unreadable_files 9",
        "edge_counts_set_aside_total 1",
        'edge_job_failures_total{job="fold"} 2',
        "edge_disk_free_bytes 5000",
        "edge_disk_full 1",
        "edge_facts_pages 4",
        "edge_facts_pages_limit 8",
        'edge_facts_devices{kind="failures"} 20',
        'edge_facts_evicted_total{kind="choices"} 1',
        "edge_facts_compaction_failures_total 2",
        "edge_facts_growth_failures_total 5",
        "edge_facts_damaged_slots 9",
        "edge_node_failures_over_limit_total 6",
    ):
        assert line in told
    assert not any(line.startswith("edge_certificate") for line in told)
    assert "edge_certificate_ends_timestamp_seconds 5000" in lines(observed(certificate_ends=5_000.0))


def test_every_line_is_one_that_prometheus_reads_and_no_series_comes_twice():
    told = lines(
        observed(
            workers=[worker(decisions={"offer": 1}, closed={"slow_head": 2}), worker(decisions={"offer": 3})],
            certificate_ends=1.5,
        )
    )
    assert all(SAMPLE_LINE.fullmatch(line) for line in told)
    series = [line.rpartition(" ")[0] for line in told]
    assert len(set(series)) == len(series)


def test_what_the_table_of_behaviour_could_not_hold_or_write_is_told():
    told = lines(observed())
    assert "edge_behaviour_evicted_total 11" in told and "edge_behaviour_failures_total 12" in told
