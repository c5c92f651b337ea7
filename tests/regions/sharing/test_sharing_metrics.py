"""What is counted of sharing, at home and at a region."""

from documents import read

from edge.domain.sharing.admitting import SharedKind
from edge.regions.sharing.budgets import BUDGETS
from edge.regions.sharing.sharer import SharingStanding
from edge.regions.sharing.sharing_metrics import build_sharing_metrics


def samples(families):
    return {family.name: [(sample.labels, sample.value) for sample in family.samples] for family in families}


def test_home_counts_what_it_refused_and_what_is_lost():
    found = samples(build_sharing_metrics({("r0", SharedKind.LIFT): 3}, {"r0": 5}, None))
    assert found["edge_shared_refused_total"] == [({"node": "r0", "kind": "lifts"}, 3)]
    assert found["edge_shared_evidence_lost"] == [({"node": "r0"}, 5)]
    assert found["edge_sharing_failing"] == []


def test_a_region_says_whether_home_is_told():
    found = samples(build_sharing_metrics({}, {}, SharingStanding(failing="cut", waiting=2, refused=4)))
    assert found["edge_sharing_failing"] == [({}, 1.0)]
    assert found["edge_sharing_waiting"] == [({}, 2)]
    assert found["edge_sharing_refused_total"] == [({}, 4)]


def test_the_budgets_are_those_of_the_document():
    text = read("config/README.md")
    for kind, budget in BUDGETS.items():
        assert f"| {kind.value} | {budget.at_once:,} | {budget.per_hour:,} |" in text
