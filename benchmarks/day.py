"""A simulated day of 10 million devices over 20 regions after a publish: who has it when, with and without spread.

Decisions are the node's own `decide` on a snapshot of real commands, for ids as random as real ones; people, lines and
installs are a model (`planning.fleet_day`, `planning.simulated_day`), of a sample in which one device stands for many.
The same day is drawn again with other seeds: the spread in parentheses is over these.
"""

import json
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.measuring.figures import Spread, spread
from benchmarks.output.report import BenchReport, Options
from benchmarks.output.tables import Cell, Table
from benchmarks.planning.fleet_day import DAY_SECONDS, REGIONS, at_once, rates_bps, sizes_of, starts_of_day
from benchmarks.planning.simulated_day import SLOT_SECONDS, DayOfRegion, DayRules, Decide, simulate
from benchmarks.worlds.releases import (
    APP,
    CHANNEL,
    Sizes,
    commit,
    device_ids,
    make_bundle,
    prepare_app,
    question,
)
from edge.domain.changes.commands import ChannelSettings, PublishBundle, SetChannel
from edge.domain.decision.decide import decide
from edge.domain.decision.outcomes import Decision
from edge.domain.decision.snapshot import AppSnapshot
from edge.domain.model import AppId
from edge.domain.schedule.rollout import Moment
from edge.node.processes.data_directory import DataDirectory
from edge.node.service.snapshots.builder import SnapshotBuilder
from edge.wire.updates import parse_update_check

DEVICES = 10_000_000
SAMPLE, QUICK_SAMPLE = 200_000, 20_000  # simulated devices, over all regions
SEEDS, QUICK_SEEDS = 3, 2
PUBLISH_HOUR_UTC = 14.0  # a working day's afternoon in Europe, morning in America
LINE_BPS = 10e9  # of each region: two machines with half of a 10 Gbit/s card each
WHOLE_BYTES, REUSED_BYTES = 1_501_000, 66_000  # tinymce 7.5.1 to 7.6.0: changed files whole, and as patches
READY_SECONDS = {"push": 1.0, "poll": 10.0}  # p99 with push; at most two intervals of the poll
SPREAD_SECONDS = 4 * 3_600
SOON_SECONDS = 300.0
OLD, NEW = "1.0.1", "1.0.2"
WITHIN = (("1 min", 60.0), ("5 min", 300.0), ("15 min", 900.0), ("1 h", 3_600.0), ("6 h", 21_600.0), ("24 h", 86_400.0))


class Plan(NamedTuple):
    name: str
    update_bytes: int
    heard_by: str
    spread_seconds: int


PLANS = (
    Plan("patches, at once", REUSED_BYTES, "push", 0),
    Plan("whole files, at once", WHOLE_BYTES, "push", 0),
    Plan("whole files, at once, no push", WHOLE_BYTES, "poll", 0),
    Plan("patches, spread over 4 h", REUSED_BYTES, "push", SPREAD_SECONDS),
    Plan("whole files, spread over 4 h", WHOLE_BYTES, "push", SPREAD_SECONDS),
)


class Fleet(NamedTuple):
    """The snapshots before and after the publish, which happens at `published`; ids of the sample."""

    before: AppSnapshot
    after: AppSnapshot
    published: float
    ids: list[str]


def run(options: Options) -> BenchReport:
    sample = QUICK_SAMPLE if options.quick else SAMPLE
    seeds = range(1, 1 + (QUICK_SEEDS if options.quick else SEEDS))
    ids = device_ids(sample + len(REGIONS))
    rows, peaks = [], []
    for plan in PLANS:
        fleet = make_fleet(plan, ids)
        days = [list(_days(fleet, plan, sample, seed)) for seed in seeds]
        rows.append(_row(plan, days))
        peaks.append(_peaks(plan, days, DEVICES / sample))
    return BenchReport(
        compares=f"{DEVICES:,} devices over {len(REGIONS)} regions, {sample:,} of them simulated: a publish at "
        f"{PUBLISH_HOUR_UTC:g}:00 UTC, and the 24 hours after it.",
        tables=(_shares_table(rows, sample), _peaks_table(peaks)),
    )


def make_fleet(plan: Plan, ids: list[str]) -> Fleet:
    """The release before, and the new one on the channel, by the commands of a publish."""
    with tempfile.TemporaryDirectory(prefix="edge-day-") as folder:
        prepare_app(Path(folder), [(OLD, Sizes())])
        truth = DataDirectory(Path(folder), time.time())
        app = AppId(APP)
        before = _snapshot(truth, app)
        commit(
            truth, APP, [SetChannel(name=CHANNEL, settings=ChannelSettings(spread_seconds=plan.spread_seconds))], "s"
        )
        published = time.time()
        commit(
            truth, APP, [PublishBundle(bundle=make_bundle(truth.store, NEW, Sizes(), 9), channel=CHANNEL)], "publish"
        )
        return Fleet(before, _snapshot(truth, app), published, ids)


def _snapshot(truth: DataDirectory, app: AppId) -> AppSnapshot:
    return SnapshotBuilder(truth.store).build(app, truth.releases.heads()[app], time.time())


def decider(fleet: Fleet, first: int) -> Decide:
    """Of the region whose devices begin at `first` of the sample."""
    asked = parse_update_check(json.dumps(question(fleet.ids[0], version=OLD)).encode())
    updated = asked._replace(version_name=NEW)

    def ask(device: int, is_new: bool, ready: bool, seconds: float) -> Decision:
        now = fleet.published + seconds
        check = (updated if is_new else asked)._replace(device=fleet.ids[first + device])
        return decide(fleet.after if ready else fleet.before, check, Moment(now, now))

    return ask


def _days(fleet: Fleet, plan: Plan, sample: int, seed: int) -> Iterator[DayOfRegion]:
    first = 0
    for region, devices in sizes_of(sample):
        starts = starts_of_day(region, devices, PUBLISH_HOUR_UTC, seed)
        rules = DayRules(plan.update_bytes, READY_SECONDS[plan.heard_by], LINE_BPS, DEVICES / sample)
        rates, quick = rates_bps(region, devices, seed).tolist(), at_once(region, devices, seed).tolist()
        yield simulate(starts, devices, rates, quick, rules, decider(fleet, first))
        first += devices


def _row(plan: Plan, days: list[list[DayOfRegion]]) -> tuple[Cell, ...]:
    cells: list[Cell] = [plan.name]
    for _, seconds in WITHIN:
        cells.append(
            _over(days, lambda day, s=seconds: 100 * sum(r.updated_within(s) for r in day) / sum(r.active for r in day))
        )
    cells.append(_over(days, lambda day: 100 * sum(len(r.updated_at) for r in day) / sum(r.devices for r in day)))
    cells.append(
        _over(days, lambda day: 100 * sum(w <= SOON_SECONDS for r in day for w in r.waits) / sum(r.active for r in day))
    )
    cells.append(_over(days, lambda day: float(np.median(np.concatenate([r.waits for r in day]))) / 60))
    cells.append(_over(days, lambda day: float(np.quantile(np.concatenate([r.waits for r in day]), 0.95)) / 60))
    return tuple(cells)


def _peaks(plan: Plan, days: list[list[DayOfRegion]], weight: float) -> tuple[Cell, ...]:
    def busiest(day: list[DayOfRegion], what: str, per: float) -> float:
        return max(max(getattr(region, what).values(), default=0) for region in day) * weight * per / SLOT_SECONDS

    def together(day: list[DayOfRegion], what: str, per: float) -> float:
        slots = range(DAY_SECONDS // SLOT_SECONDS)
        return max(sum(getattr(region, what)[slot] for region in day) for slot in slots) * weight * per / SLOT_SECONDS

    return (
        plan.name,
        _over(days, lambda day: together(day, "checks", 1)),
        _over(days, lambda day: busiest(day, "checks", 1)),
        _over(days, lambda day: together(day, "sent_bytes", 8e-9)),
        _over(days, lambda day: busiest(day, "sent_bytes", 8e-9)),
        _over(days, lambda day: max(region.queued_seconds for region in day)),
        _over(days, lambda day: sum(sum(region.sent_bytes.values()) for region in day) * weight / 1e12),
        _over(days, lambda day: 100 * sum(r.broken_off for r in day) / sum(r.decisions["offer"] for r in day)),
    )


def _over(days: list[list[DayOfRegion]], figure: Callable[[list[DayOfRegion]], float]) -> Spread:
    return spread([figure(day) for day in days])


def _shares_table(rows: list[tuple[Cell, ...]], sample: int) -> Table:
    columns = (
        "how it goes out",
        *(f"{name}, %" for name, _ in WITHIN),
        "of all, 24 h, %",
        "within 5 min of its start, %",
        "p50 wait, min",
        "p95 wait, min",
    )
    return Table(
        title="Active devices that run the new release, by time after the publish",
        columns=columns,
        rows=tuple(rows),
        notes=(
            "Active: at least one start of the app in these 24 hours. Who starts it first a minute before their end "
            "has no time left. Wait: from a device's first start with the release in its region until it runs it, in "
            "those that do.",
            f"One simulated device stands for {DEVICES / sample:g}. A share of {sample:,} devices is off by "
            f"{100 * 1.96 * 0.5 / sample**0.5:.2f} points at most, 19 times of 20.",
        ),
    )


def _peaks_table(rows: list[tuple[Cell, ...]]) -> Table:
    columns = (
        *("how it goes out", "checks/s, all", "checks/s, busiest region", "Gbit/s, all", "Gbit/s, busiest region"),
        *("longest wait for the line, s", "TB sent", "broken off by a session's end, %"),
    )
    return Table(
        title="What the regions carry in their busiest minute",
        columns=columns,
        rows=tuple(rows),
        notes=(f"Each region may send {LINE_BPS / 1e9:g} Gbit/s. Bytes are those of bundles.",),
    )
