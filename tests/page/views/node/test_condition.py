"""What needs a look at a node, worst first, and its figures."""

import pytest

from edge.control.shapes.node import CountingView, DiskView, HeadView, NodeStatus, WorkerView
from edge.page.views.node.condition import disk_of, figures_of, heads_table, lede_of, notices_of, worker_table

NOW = 1_700_000_000.0
DAY = 86_400.0


def worker(ready=True, **counts):
    return WorkerView(pid=7 if ready else None, ready=ready, restarts=0, apps=1, counts=counts)


def node(**given):
    defaults = {
        "version": "1",
        "apps": 1,
        "workers": [worker()],
        "heads": {},
        "refused": {},
        "damaged": [],
        "at": NOW,
        "disk": DiskView(free_bytes=60, total_bytes=100),
        "counting": CountingView(folded_at=NOW - 5),
    }
    return NodeStatus(**defaults | given)


CASES = {
    "well": (node(), []),
    "a worker is away": (node(workers=[worker(), worker(ready=False)]), ["1 of 2 workers do not answer."]),
    "the disk is full": (
        node(disk=DiskView(free_bytes=5_000_000, total_bytes=10, short=True)),
        ["The disk is full or read-only, 5.0\u202fMB are free."],
    ),
    "counting is late": (
        node(counting=CountingView(folded_at=NOW - 840)),
        ["Counting stands still since 21:59, 14\u202fmin ago."],
    ),
    "counting is down": (
        node(counting=CountingView(up=False, folded_at=NOW - 5)),
        ["Counting stands still since 22:13, 5\u202fs ago."],
    ),
    "the certificate ends soon": (
        node(certificate_ends=NOW + 6 * DAY),
        ["The devices' certificate ends in 6\u202fdays."],
    ),
    "the certificate ended": (node(certificate_ends=NOW - DAY), ["The devices' certificate ended 24\u202fh ago."]),
    "a certificate of a year": (node(certificate_ends=NOW + 365 * DAY), []),
    "the store is not accepted": (
        node(refused={"keys": "signed by nobody", "bad_digest": 3}),
        ["Signed documents of the store are not accepted."],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_needs_a_look_is_said(case):
    found, expected = CASES[case]
    assert [each.lead for each in notices_of(found, NOW)] == expected


def test_the_worst_comes_first_and_is_the_sentence_at_the_top():
    found = node(certificate_ends=NOW + DAY, workers=[worker(ready=False)])
    notices = notices_of(found, NOW)
    assert [each.kind for each in notices] == ["bad", "warn"]
    assert lede_of(found, notices) == ("1 of 1 workers do not answer.", "And 1 more to look at.")
    assert lede_of(node(), []) == ("This node is well.", "1 worker serves 1 app.")


def test_unknown_counts_are_no_zero():
    cells = worker_table([worker(offer=31)])["rows"][0]["cells"]
    assert (cells[4], cells[5], cells[6]) == ("31", "–", "0")
    assert worker_table([worker(**{"damaged/bundle": 2})])["rows"][0]["cells"][6] == {"text": "2", "tone": "bad"}


def test_the_disk_in_words():
    assert disk_of(node())["words"] == "40\u202f% of 100\u202fbytes"
    assert disk_of(node(disk=DiskView()))["words"] == "not known"


def test_figures_have_units_and_times():
    found = {each["label"]: each["value"] for each in figures_of(node(), NOW)}
    assert found["Counted up to"] == "22:13:15" and found["Certificate ends"] == "no TLS"


def test_only_so_many_heads_are_shown():
    heads = {f"app{n}": HeadView(revision=n, digest="d" * 64) for n in range(150)}
    assert len(heads_table(node(heads=heads))["rows"]) == 100
