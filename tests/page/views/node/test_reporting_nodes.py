"""The table of all nodes: trouble first, staleness in words, nothing of a node as HTML."""

import pytest

from edge.control.shapes.node import NodeView
from edge.page.views.node.reporting_nodes import nodes_lede, nodes_summary, nodes_table
from edge.regions.fleet.node_report import NodeReport, SourceReport

NOW = 1_700_000_000.0
SAID = {
    "version": "2.0.0",
    "python": "3.11.2, profiled (-O2)",
    "changes": 1842,
    "workers": 4,
    "workers_ready": 4,
    "disk_free_bytes": 60,
    "disk_total_bytes": 100,
    "cores": 4,
    "source": SourceReport(name="https://origin.example.com", verified_seconds=8.0),
}


def node(name="eu-1", said=None, **given):
    defaults = {
        "node": f"id{name.replace('-', '')}",
        "name": name,
        "region": "eu",
        "own": False,
        "since": NOW - 1000,
        "heard": NOW - 3,
        "heard_seconds": 3.0,
        "condition": "well",
        "sentence": "",
        "behind": 0,
        "behind_seconds": 0.0,
        "report": NodeReport(**SAID | (said or {})),
    }
    return NodeView(**defaults | given)


def cells(shown):
    columns = [each["name"] for each in nodes_table([shown], NOW)["columns"]]
    return dict(zip(columns, nodes_table([shown], NOW)["rows"][0]["cells"], strict=True))


def test_what_needs_a_look_comes_first_and_then_this_node():
    shown = [
        node("a"),
        node("b", condition="unheard", sentence="x"),
        node("home", own=True),
        node("c", condition="look"),
    ]
    rows = nodes_table(shown, NOW)["rows"]
    assert [row["cells"][0]["text"] for row in rows] == ["b", "c", "home", "a"]


def test_a_node_that_is_well_says_so_everywhere():
    row = cells(node())
    assert row["State"]["state"] == ["good", "Well"] and "3\u202fs ago" in row["State"]["of"]
    assert (row["Revision"]["text"], row["Revision"]["of"]) == ("r1842", "has everything")
    assert row["Heads verified"]["text"] == "8\u202fs"
    assert (row["Runs"]["text"], row["Runs"]["of"]) == ("2.0.0", "Python 3.11.2")
    assert row["Refused"]["text"] == "nothing" and row["Disk"]["of"] == "40\u202f% of 100\u202fbytes"


def test_lag_staleness_loss_and_refusals_are_words():
    lost = SourceReport(name="s3://b/p", verified_seconds=1_200.0, unreachable_seconds=1_140.0, why="timed out")
    row = cells(
        node(
            said={"source": lost, "stale": True, "refused": {"bad_signature": 3, "forked_history": 1, "bad_digest": 2}},
            condition="look",
            sentence="stale",
            behind=1,
            behind_seconds=840.0,
        )
    )
    assert row["Revision"]["of"] == "behind by 1 change, 14\u202fmin"
    assert row["Heads verified"]["of"] == "stale: offers nothing new"
    assert row["Source"]["of"] == "no answer for 19\u202fmin: timed out"
    assert (row["Refused"]["text"], row["Refused"]["of"]) == (
        "bad_<wbr>signature 3, bad_<wbr>digest 2",
        "and 1 more codes",
    )


def test_a_node_without_a_report_shows_nothing_as_known():
    row = cells(node(report=None, heard=None, heard_seconds=None, condition="unheard", sentence="not heard of"))
    assert row["State"]["of"] == "not heard of" and set(list(row.values())[2:]) == {"–"}


def test_a_node_that_holds_the_truth_has_no_age():
    row = cells(node(said={"source": None}))
    assert (row["Heads verified"]["text"], row["Source"]["text"]) == ("holds the truth", "none")


@pytest.mark.parametrize(
    ("nodes", "lede"),
    [
        ([node("a"), node("b", region="us")], ("All 2 nodes are well.", "2 regions.")),
        ([node("a"), node("b", condition="look", sentence="behind by 1 change, 50 s")],
         ("b: behind by 1 change, 50 s.", "The other one is well.")),
        ([node("a", condition="look", sentence="x"), node("b", condition="unheard", sentence="last heard of 3 h ago")],
         ("b: last heard of 3 h ago.", "1 more to look at.")),
    ],
)  # fmt: skip
def test_the_sentence_is_of_the_worst(nodes, lede):
    assert nodes_lede(nodes) == lede


def test_the_summary_names_a_mix_of_releases():
    assert nodes_summary([node("a"), node("b")]) == "2 nodes · 8 workers · edge 2.0.0 on all"
    assert nodes_summary([node("a"), node("b", said={"version": "2.1.0"})]) == "2 nodes · 8 workers · 2 releases"


def test_every_cell_but_the_name_has_a_live_place_of_its_node():
    (row,) = nodes_table([node(node="e" * 16)], NOW)["rows"]
    assert row["live"] == "node-" + "e" * 16
