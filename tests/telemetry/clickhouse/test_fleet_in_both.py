"""A fleet lives against a real node: what its fold counted here and sent to ClickHouse has the same figures in both."""

import asyncio
import sqlite3
from contextlib import closing

import pytest
import uvloop

from edge.telemetry.clickhouse.figures import ClickHouseFigures
from edge.telemetry.clickhouse.sink import Sink
from edge.telemetry.clickhouse.tables import prepare_tables
from edge.telemetry.folding.fold import fold
from edge.telemetry.folding.outbox import Outbox
from edge.telemetry.questions.port import By, Rollup, TimeSpan, Where
from edge.telemetry.questions.sqlite_figures import SqliteFigures
from tests.truth.in_process import InProcess
from tests.truth.scenario import BEGIN_MS, VERSIONS, run

DEVICES, DAYS, SEED = 80, 4, 3
DAY_MS = 86_400_000
ALL = Where(kind="")
GROUPS = (By.CHANNEL, By.SEGMENT, By.PLATFORM, By.SIDE, By.ARM, By.KIND, By.BUNDLE)


@pytest.fixture
def both(tmp_path, server):
    """The figures of both, the app, and the time that they are about."""
    prepare_tables(server)
    without_ends_of_time(server)

    async def live():
        return await run(tmp_path, devices=DEVICES, days=DAYS, seed=SEED, each_hour=count, after_deed=count)

    async def count(node: InProcess) -> None:
        await node.settle()
        outbox = Outbox(node.truth.outbox_dir, 1 << 40)
        fold(
            node.truth.spool_dir,
            node.truth.counts_database,
            now=node.now_ms / 1000,
            names_of=lambda app: frozenset(VERSIONS) if app == node.app else None,
            outbox=outbox,
        )

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        done = runner.run(live())
        runner.run(done.node.close())
        runner.run(count(done.node))
    truth = done.node.truth
    sent = Sink(truth.counts_database, truth.outbox_dir, server, truth.node).send_waiting(done.end_ms / 1000)
    assert sent > 10 * DEVICES
    with closing(sqlite3.connect(truth.counts_database, isolation_level=None)) as connection:
        days = TimeSpan(BEGIN_MS, done.end_ms, Rollup.DAY)
        yield SqliteFigures(connection), ClickHouseFigures(server, dict), done.node.app, days


def without_ends_of_time(server):
    """The fleet lives in the past of the machine's own clock."""
    tables = "SELECT name FROM system.tables WHERE database = currentDatabase() AND create_table_query LIKE '%TTL%'"
    for (name,) in server.ask(f"{tables} AND engine LIKE '%MergeTree'"):
        server.run(f"ALTER TABLE {name} REMOVE TTL")


@pytest.mark.long
def test_every_question_has_the_same_answer_in_both(both):
    here, there, app, days = both
    hours, minutes = days._replace(rollup=Rollup.HOUR), days._replace(rollup=Rollup.MINUTE)
    kinds = "report: check: event: outcome: delivery: withheld: session error crash"
    subjects = tuple(f"{kind}*" for kind in kinds.split())
    asked = {
        "sums by minute": lambda of: of.sums(app, subjects, minutes, ALL, (By.CHANNEL, By.BUNDLE, By.SUBJECT)),
        "sums by hour": lambda of: of.sums(app, subjects, hours, ALL, (By.BUNDLE, By.SUBJECT)),
        "each hour": lambda of: of.sums(app, ("report:*",), hours, ALL, (By.PLATFORM,), each=True),
        "sums by group": lambda of: of.sums(app, subjects, days, ALL, GROUPS),
        "devices": lambda of: of.devices(app, ("heard",), days, ALL, GROUPS, each=True),
        "devices of events": lambda of: of.devices(app, ("event:*", "crash*", "error"), hours, ALL, (By.SUBJECT,)),
        "downloads": lambda of: of.durations(app, "download", hours, ALL, (By.PLATFORM,)),
        "sessions": lambda of: of.durations(app, "session_end", days, ALL, (By.BUNDLE,)),
        "updates": lambda of: of.durations(app, "update", days, ALL, ()),
        "heard": lambda of: of.heard_since(app, days.since_ms, ALL, (By.BUNDLE, By.CHANNEL, By.OS, By.COUNTRY)),
        "retention": lambda of: of.retention(app, days, ALL, (By.ARM, By.CHANNEL)),
    }
    for bundle in VERSIONS:
        asked[f"steps of {bundle}"] = lambda of, it=bundle: of.steps(app, it, ALL, (By.OS, By.CHANNEL, By.PLUGIN))
        asked[f"causes of {bundle}"] = lambda of, it=bundle: of.causes(app, it, ALL, (By.PLATFORM,))
        asked[f"words of {bundle}"] = lambda of, it=bundle: of.words(app, it, ALL)
        asked[f"firsts of {bundle}"] = lambda of, it=bundle: of.firsts(app, it, ALL)
    answers = {name: (rounded(ask(here)), rounded(ask(there))) for name, ask in asked.items()}
    assert [name for name, (one, _) in answers.items() if not one and not name.startswith("causes")] == []
    assert {name: differing(*pair) for name, pair in answers.items() if pair[0] != pair[1]} == {}


def rounded(rows):
    """Totals add up in another order."""
    rows = rows if isinstance(rows, list) else [rows]
    return [row._replace(total=round(row.total, 3) + 0.0) if hasattr(row, "total") else row for row in rows]


def differing(one, other):
    return [row for row in one if row not in other][:3], [row for row in other if row not in one][:3]
