"""What nodes said last, how far each is behind, and what is kept of it over a restart."""

import pytest

from edge.domain.errors import Forbidden
from edge.regions.fleet.judging_nodes import OF_TWO, UNHEARD_SECONDS, judge_node
from edge.regions.fleet.known_nodes import KnownNodes
from edge.regions.fleet.node_report import NodeReport, SourceReport
from edge.regions.fleet.registry import NodeRegistry, RegisteredNode

EU = "e0e0"


class Home:
    """A home node with a clock and a count of changes that a test sets."""

    def __init__(self, folder):
        self.now, self.changes, self.folder, self.tokens = 1_000.0, 5, folder, {"eu-1", "us-1"}
        self.fleet = self.open()

    def open(self):
        registry = NodeRegistry(
            *(self.folder / "nodes.json", "h0me"), is_token=self.tokens.__contains__, clock=lambda: self.now
        )
        return KnownNodes(registry, self.folder / "heard.json", self.own, lambda: self.changes, clock=lambda: self.now)

    async def own(self):
        return RegisteredNode(node="h0me", name="home"), NodeReport(changes=self.changes)

    async def hear(self, **said):
        await self.fleet.hear("eu-1", EU, a_report(**said))
        return await self.row()

    async def row(self):
        return await self.fleet.row("eu-1")

    async def judged(self):
        return judge_node(await self.row(), self.now)


def a_report(**said):
    return NodeReport(**{"region": "eu", "changes": 5, "workers": 2, "workers_ready": 2} | said)


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path)


async def test_the_own_node_comes_first_and_others_by_name(home):
    await home.fleet.hear("us-1", "a5a5", a_report())
    await home.fleet.hear("eu-1", EU, a_report())
    assert [(row.known.name, row.own) for row in await home.fleet.rows()] == [
        ("home", True),
        ("eu-1", False),
        ("us-1", False),
    ]


async def test_a_report_for_another_node_changes_nothing(home):
    await home.hear(region="eu")
    with pytest.raises(Forbidden):
        await home.fleet.hear("eu-1", "a5a5", a_report(region="us"))
    assert len(await home.fleet.rows()) == 2 and home.fleet.registry.region_of("a5a5") == ""


async def test_lag_is_changes_and_since_when_home_has_the_first_of_them(home):
    assert (await home.hear(changes=5)).behind == 0
    home.now, home.changes = 1_010.0, 6
    home.fleet.note_changes()
    home.now, home.changes = 1_020.0, 8
    row = await home.hear(changes=5)
    assert (row.behind, row.behind_seconds) == (3, 10.0)
    row = await home.hear(changes=6)
    assert (row.behind, row.behind_seconds) == (2, 0.0)
    assert (await home.hear(changes=8)).behind == 0


async def test_a_node_ahead_of_home_is_not_behind(home):
    assert (await home.hear(changes=9)).behind == 0


async def test_a_silent_node_keeps_its_row_and_says_when_it_was_heard_of(home):
    await home.hear(version="1.2.3")
    home.now += UNHEARD_SECONDS + 200
    condition, sentence = await home.judged()
    assert condition == "unheard" and sentence.startswith("last heard of 3 min ago")
    assert (await home.row()).report.version == "1.2.3"


async def test_rows_outlive_a_restart(home):
    await home.hear(version="1.2.3")
    home.fleet.keep()
    home.now += 5
    home.fleet = home.open()
    row = await home.row()
    assert (row.report.version, row.heard, row.known.region) == ("1.2.3", 1_000.0, "eu")


async def test_a_node_that_was_not_heard_since_the_start_is_shown_without_a_report(home):
    await home.hear()
    home.fleet = home.open()
    assert (await home.judged()) == ("unheard", "not heard of since this node started")


async def test_a_forgotten_node_is_gone_also_from_what_is_kept(home):
    await home.hear()
    await home.fleet.forget("eu-1")
    home.fleet.keep()
    home.fleet = home.open()
    assert len(await home.fleet.rows()) == 1 and EU not in (home.folder / "heard.json").read_text()


async def test_damage_of_what_was_heard_costs_nothing_else(home):
    await home.hear()
    (home.folder / "heard.json").write_bytes(b"\xff")
    home.fleet = home.open()
    assert (await home.row()).known.region == "eu"


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({}, ""),
        ({"stale": True}, "offers no new updates, since its heads are stale"),
        (
            {"source": SourceReport(unreachable_seconds=600.0, why="no route")},
            "cannot reach its source for 10 min (no route)",
        ),
        ({"source": SourceReport(unreachable_seconds=2.0)}, ""),
        ({"source": SourceReport(unreachable_seconds=2.0, why="no route")}, ""),
        (
            {"source": SourceReport(why="bad signature"), "refused": {"bad_signature": 1}},
            "refuses what its source has (bad signature)",
        ),
        ({"source": SourceReport(), "refused": {"older_document": 1}}, ""),  # it was, and is no more
        ({"disk_short": True}, "its disk is full"),
        ({"workers_ready": 1}, "1 of 2 workers are starting"),
        ({"workers_ready": 1, "running_seconds": 60.0}, "1 of 2 workers do not answer"),
        ({"damaged": 1}, "1 damaged thing in its store"),
        ({"certificate_seconds": 86_400.0 * 6}, "its certificate ends in 6 days"),
        ({"certificate_seconds": -5.0}, "its certificate has ended"),
    ],
)
async def test_what_a_node_says_of_itself_is_judged(home, said, words):
    await home.hear(**said)
    condition, sentence = await home.judged()
    assert (condition == "well") == (words == "") and sentence.startswith(words)


async def test_a_node_that_refuses_a_restored_origin_names_the_way_on(home):
    source = SourceReport(why="head shard 8 was rolled back from sequence 11 to 10")
    await home.hear(changes=9, source=source, refused={"older_document": 1})
    condition, sentence = await home.judged()
    assert condition == "look" and sentence.endswith("there: edge store accept-restored --all")


async def test_a_node_whose_token_was_revoked_says_so_at_once_and_when_it_falls_silent(home):
    await home.hear()
    home.tokens.clear()
    revoked = "its token is revoked: it hears of nothing new"
    assert await home.judged() == ("look", revoked)
    home.now += UNHEARD_SECONDS + 200
    assert await home.judged() == ("unheard", f"last heard of 3 min ago; {revoked}")


async def test_a_node_that_lags_for_long_is_to_be_looked_at(home):
    home.fleet.note_changes()
    home.now, home.changes = 1_010.0, 6
    home.fleet.note_changes()
    home.now = 1_060.0
    await home.hear(changes=5)
    assert await home.judged() == ("look", "behind by 1 change, 50 s")


async def test_two_nodes_with_one_id_are_named_once_and_until_one_of_them_stopped(home, caplog):
    for start in "abababab":
        home.now += 5
        welcome = await home.fleet.hear("eu-1", EU, a_report(start=start, clock=home.now))
    assert "two nodes report with this id" in welcome.trouble
    assert await home.judged() == ("look", welcome.trouble)
    assert home.fleet.is_of_two(EU) and (await home.row()).of_two
    assert [each.message for each in caplog.records if "two nodes" in each.message] == [f"node eu-1 (e0e0): {OF_TWO}"]
    for _ in range(200):
        home.now += 5
        welcome = await home.fleet.hear("eu-1", EU, a_report(start="b", clock=home.now))
    assert (welcome.trouble, await home.judged()) == ("", ("well", ""))


@pytest.mark.parametrize(("off", "words"), [(7_200, "2 h ahead of"), (-7_200, "2 h behind"), (59, ""), (-59, "")])
async def test_a_wrong_clock_is_named_here_and_there(home, off, words):
    welcome = await home.fleet.hear("eu-1", EU, a_report(clock=home.now + off))
    home.now += 10
    assert (await home.judged()).sentence == welcome.trouble
    assert words in welcome.trouble if words else not welcome.trouble
