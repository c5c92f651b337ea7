"""A whole run of the truth test: a fleet lives, its node counts, and every figure is put beside the recount of it."""

import asyncio
import sqlite3
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from edge.telemetry.folding.fold import fold
from edge.telemetry.questions.app_answers import StatsQuestion
from edge.telemetry.questions.sqlite_figures import SqliteFigures
from edge.telemetry.questions.stats import answer_stats
from tests.truth import shown
from tests.truth.comparing import Compared, Comparing, compare
from tests.truth.diary import Came, Checked, Diary, Sent, Told, Used
from tests.truth.fleet import HAND_OVER_MS
from tests.truth.in_process import InProcess
from tests.truth.labels import labels_at
from tests.truth.recount import HOUR, Recount, recount
from tests.truth.scenario import ARM_BUNDLES, BEGIN_MS, CHANNELS_OF, VERSIONS, run


class Judged(NamedTuple):
    """What came out. `totals` are the node's own numbers of what it took."""

    diary: Diary
    found: Recount
    compared: list[Compared]
    totals: dict[str, int]

    @property
    def wrong(self) -> list[Compared]:
        return [each for each in self.compared if each.wrong]


async def judge(
    folder: Path, *, devices: int, days: int, seed: int, hand_over_ms: int = HAND_OVER_MS, fold_hours: int = 1
) -> Judged:
    """Run and compare. Events are counted every `fold_hours`, and after what the operator does: an outcome is of the
    labels that its device has when it is counted, which a node does within seconds."""

    async def each_hour(node: InProcess) -> None:
        if node.now_ms // HOUR % fold_hours == 0:
            await count(node)

    done = await run(
        folder, devices=devices, days=days, seed=seed, each_hour=each_hour, after_deed=count, hand_over_ms=hand_over_ms
    )
    await done.node.close()
    await count(done.node)
    found = recount(done.diary)
    database = done.node.truth.counts_database
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, isolation_level=None)) as connection:
        figures = SqliteFigures(connection)
        compared = Comparing(figures, done.diary, found, BEGIN_MS, done.end_ms).all(VERSIONS)
        compared += _shown(figures, done.diary, found, done.end_ms)
        totals = dict(figures.totals())
    compared.append(_conserved(done.node, done.diary, found, totals))
    return Judged(done.diary, found, compared, totals)


async def count(node: InProcess) -> None:
    """As the folding process does."""
    await asyncio.to_thread(
        fold,
        node.truth.spool_dir,
        node.truth.counts_database,
        now=node.now_ms / 1000,
        names_of=lambda app: frozenset(VERSIONS) if app == node.app else None,
    )


def _shown(figures: SqliteFigures, diary: Diary, found: Recount, end_ms: int) -> list[Compared]:
    """`edge stats` of the app, and of every bundle."""
    asked = StatsQuestion(app=diary.app, since_ms=BEGIN_MS, until_ms=end_ms)
    recounted = shown.of_app(found, BEGIN_MS, end_ms)
    compared = [_compared("edge stats", shown.told_of_app(answer_stats(figures, asked)), recounted)]
    for version in VERSIONS:
        answer = answer_stats(figures, StatsQuestion(app=diary.app, since_ms=BEGIN_MS, until_ms=end_ms, bundle=version))
        recounted = shown.of_bundle(found, version, CHANNELS_OF[version], end_ms)
        compared.append(_compared(f"edge stats --bundle {version}", shown.told_of_bundle(answer), recounted))
    return compared


def _compared(name: str, told: shown.Shown, recounted: shown.Shown) -> Compared:
    wrong = shown.differences(told, recounted)
    return Compared(name, len(recounted), sum(value or 0 for value in recounted.values()), list(wrong))


def _conserved(node: InProcess, diary: Diary, found: Recount, totals: Mapping[str, int]) -> Compared:
    """Everything that was acknowledged was counted, or is a duplicate; nothing was dropped. The node's own events are
    counted among the others; each outcome was told twice."""
    taken = Counter(type(entry) for entry in diary.entries)
    others = node.service.counts.others
    again = others["arms_noted"] - _in_arms(diary)  # a worker forgets some devices, and notes their arms again
    recounted = {
        "folded": taken[Told]
        + taken[Used]
        - found.again
        + taken[Came]
        + others["arms_noted"]
        + others["withheld_noted"]
        - again,
        "duplicates": found.again + taken[Came] + again,
        "malformed": 0,
        "checks": taken[Checked],
        "repeated_checks": 0,
        "deliveries": taken[Sent],
    }
    return compare("acknowledged = counted + again", {name: totals.get(name, 0) for name in recounted}, recounted)


def _in_arms(diary: Diary) -> int:
    """Devices that were offered the bundle of their arm, or ran it, in a check."""
    found = set()
    for entry in diary.entries:
        if isinstance(entry, Checked):
            arm = labels_at(diary, diary.devices[entry.device], entry.at_ms).arm.rpartition("/")[2]
            if arm and ARM_BUNDLES[arm] in (entry.offered, entry.runs):
                found.add(entry.device)
    return len(found)
