"""What a channel's page is made of, as a node with some ten thousand devices knows it: well, and in trouble."""

import random

from stats_answers import an_answer

from edge.control.shapes.apps import HistoryEntry
from edge.control.shapes.channels import ChannelView
from edge.control.shapes.impact import ChannelImpactView
from edge.control.shapes.rollouts import RolloutSummary, RolloutView
from edge.domain.guarding.evidence import Evidence, TestedCount, Verdict
from edge.domain.guarding.odds.rates import rate_interval
from edge.domain.guarding.odds.threshold import log_odds
from edge.domain.model import Phase, Policy
from edge.domain.statistics.curves import AdoptionChange, build_adoption
from edge.domain.statistics.definitions import Definition, figure
from edge.domain.statistics.figures import release_figures
from edge.domain.statistics.observation import Step
from edge.page.views.channel.sight import ChannelSight, GuardSight
from edge.telemetry.questions.app_answers import BundleReport, FailureFigure
from edge.telemetry.votes.standing import BreakdownRow, GuardStanding, SeriesPoint

NOW = 1_795_789_925.0  # 2026-11-27 14:32:05 UTC
HOUR = 3600.0
LIMIT = 0.02
START = "channel=production bundle={} steps=1%,5%,25%,50%,100%"
INSTALLED = Step.OFFERED | Step.DOWNLOADED | Step.INSTALLED


def a_channel(**changes) -> ChannelView:
    given = {
        "name": "production",
        "bundle": "2.30.1",
        "public": True,
        "self_set": False,
        "ios": True,
        "android": True,
        "electron": False,
        "emulator": True,
        "device": True,
        "dev": True,
        "prod": True,
        "policy": Policy.NONE,
        "test": False,
        "block_under_native": True,
        "rollout": None,
        "windows": (),
        "rollback_passes": True,
        "spread_seconds": 0,
        "prefer": None,
        "withdrawn": "",
        "bundle_changed": NOW - 200 * HOUR,
        "bundle_changed_by": "ci-release",
        "rolled_back": False,
        "earlier": ["2.29.4", "2.30.0"],
        "last_good": "2.30.0",
        "served": "2.30.1",
        "taken_back": [],
        "experiment": None,
    }
    return ChannelView(**given | changes)


def a_rollout(**changes) -> RolloutView:
    started = NOW - 15.2 * HOUR
    given = {
        "bundle": "2.31.0",
        "phase": Phase.RUNNING,
        "step": 3,
        "share": "25%",
        "next_step_at": NOW + 2.8 * HOUR,
        "steps": ["1%", "5%", "25%", "50%", "100%"],
        "every_seconds": 6 * 3600,
        "segments": [],
        "first": [],
        "hold_out": "0%",
        "hold_out_group": "control",
        "started": started,
        "began": started + 12 * HOUR,
        "paused": None,
        "gated": False,
        "gate_opens": None,
        "resumed": 0,
        "guard": None,
    }
    return RolloutView(**given | changes)


def a_report(bundle, hours, top, *, healthy, failed, unsettled=0, downloaded=0, silent=0, failures=()) -> BundleReport:
    """Of a bundle first offered so many hours ago, which `top` of 31,902 devices run in the end."""
    first, until, of = int(NOW - hours * HOUR) // 60, int(NOW) // 60, 31_902
    span = max(1, until - first)
    changes = [AdoptionChange(first + n * span // 60, round(of * top * 0.07 * 0.93**n), 0) for n in range(60)]
    reached = [
        (INSTALLED | Step.HEALTHY, healthy),
        (INSTALLED | Step.FAILED_BOOT, failed),
        (INSTALLED, unsettled),
        (Step.OFFERED | Step.DOWNLOADED, downloaded),
        (Step.OFFERED, silent),
    ]
    return BundleReport(
        bundle=bundle,
        release=release_figures(reached),
        adoption=build_adoption(changes, first, until, of, 120),
        failures=[
            FailureFigure(cause=cause, platform="android", version_os=os, devices=figure(Definition.CAUSES, n))
            for cause, os, n in failures
        ],
        more_failures=0,
        outcome_changes=[],
        more_outcome_changes=0,
    )


def votes(since, until, attempts, rate, seed=1):
    """A series of looks, the last with about `rate` of `attempts` failed."""
    draw, points, failed = random.Random(seed), [], 0
    for n in range(1, attempts + 1):
        failed += draw.random() < rate
        if n % max(1, attempts // 120) == 0 or n == attempts:
            at_ms = int((since + (until - since) * n / attempts) * 1000)
            low, high = rate_interval(n, failed)
            points.append(SeriesPoint(at_ms, n, failed, low, high, log_odds(n, failed, LIMIT), n, failed))
    return points


def a_standing(series, verdict=Verdict.WATCHING, **changes) -> GuardStanding:
    last = series[-1]
    evidence = {
        "app": "com.example.driver",
        "watch": "w",
        "as_of_ms": int((NOW - 7) * 1000),
        "verdict": verdict,
        "offered": last.attempts * 2,
        "attempts": last.attempts,
        "failed": last.failed,
        "low": last.low,
        "high": last.high,
        "tests": (
            TestedCount(
                name="whole",
                metric="update_fail",
                attempts=last.attempts,
                failed=last.failed,
                log_odds=last.log_odds,
                alarm_log_odds=6.907755,
                alarm=verdict is Verdict.FAILS,
            ),
        ),
    }
    given = {"bundle": "2.31.0", "series": series, "first_offer_ms": series[0].at_ms - 1000}
    more = {key: changes.pop(key) for key in list(changes) if key in Evidence.__struct_fields__}
    return GuardStanding(evidence=Evidence(**evidence | more), **given | changes)


def group(label, failed, attempts, *, stands_out=False) -> BreakdownRow:
    low, high = rate_interval(attempts, failed)
    return BreakdownRow(label, failed, attempts, low, high, stands_out)


def a_guard(standing, **changes) -> GuardSight:
    given = {
        "watches": True,
        "everything": False,
        "limit": LIMIT,
        "action": "pause",
        "silence": "notify",
        "auto_advance": False,
    }
    return GuardSight(**given | changes, standing=standing)


def a_change(revision, at, by, summary, channel="production", reason="", kind="move_rollout") -> HistoryEntry:
    return HistoryEntry(
        revision=revision,
        digest="0" * 64,
        id=f"c{revision}",
        at=at,
        by=by,
        kind=kind,
        summary=summary,
        reason=reason,
        channels=[ChannelImpactView(channel=channel, before=None, after=None)],
        changes=[],
    )


def a_sight(**changes) -> ChannelSight:
    """A rollout that does well, at 25 %."""
    rollout = a_rollout()
    report = a_report(
        *("2.31.0", 15.2, 0.213),
        healthy=6377,
        failed=15,
        unsettled=418,
        downloaded=346,
        silent=256,
        failures=[("download_fail", "14", 41), ("unzip_fail", "13", 2)],
    )
    breakdowns = {
        "cause": [group("update_fail", 9, 6810), group("set_fail", 4, 6810), group("app_crash", 2, 6810)],
        "platform": [group("android", 12, 4903), group("ios", 3, 1907)],
        "os": [group("android 14", 5, 2744), group("android 13", 5, 1811), group("ios 17", 3, 1907)],
        "country": [group("DE", 6, 2988), group("PL", 4, 1422), group("AT", 2, 803), group("other", 3, 1597)],
    }
    series = votes(rollout.started + 600, NOW - 10, 6810, 0.0022)
    given = {
        "app": "com.example.driver",
        "channel": a_channel(rollout=RolloutSummary(bundle="2.31.0", phase=Phase.RUNNING)),
        "rollout": rollout,
        "figures": an_answer(report=report, until=int(NOW - 7)),
        "sent": an_answer(report=report, until=int(NOW - 7)),
        "earlier": [
            a_report("2.30.1", 200, 0.94, healthy=29_000, failed=40),
            a_report("2.30.0", 400, 0.9, healthy=28_000, failed=50),
            a_report("2.29.4", 700, 0.93, healthy=28_000, failed=60),
        ],
        "guard": a_guard(a_standing(series, breakdowns=breakdowns)),
        "history": [a_change(1841, rollout.started, "ci-release", START.format("2.31.0"), kind="start_rollout")],
        "now": NOW,
    }
    return ChannelSight(**given | changes)


def a_sight_in_trouble(by="guard", **changes) -> ChannelSight:
    """Paused at its first step, 11 minutes ago: it fails on two versions of Android."""
    started, paused = NOW - 1800, NOW - 625
    rollout = a_rollout(
        bundle="4.12.0",
        phase=Phase.PAUSED,
        step=1,
        share="1%",
        next_step_at=None,
        started=started,
        began=started,
        paused=paused,
    )
    report = a_report("4.12.0", 0.5, 0.003, healthy=58, failed=14, unsettled=24, downloaded=41, silent=50)
    os_groups = [group("android 9", 8, 17, stands_out=True), group("android 10", 6, 14, stands_out=True)]
    breakdowns = {
        "cause": [group("update_fail", 13, 96), group("set_fail", 1, 96)],
        "platform": [group("android", 14, 65), group("ios", 0, 31)],
        "os": [*os_groups, group("android 13", 0, 34), group("ios 17", 0, 31)],
        "country": [group("PL", 5, 31), group("DE", 4, 28), group("ES", 3, 22), group("other", 2, 15)],
    }
    series = votes(started + 120, paused - 4, 96, 0.146, seed=4)
    low, high = rate_interval(96, 14)
    series[-1] = SeriesPoint(int((paused - 4) * 1000), 96, 14, low, high, log_odds(88, 10, LIMIT), 88, 10)
    standing = a_standing(
        series,
        Verdict.FAILS,
        bundle="4.12.0",
        breakdowns=breakdowns,
        deciding_ms=int((paused - 4) * 1000),
        first_failure_ms=int((started + 278) * 1000),
        capped=4,
        capped_failed=1,
        offered=187,
    )
    given = {
        "app": "com.example.rider",
        "channel": a_channel(
            bundle="4.11.3",
            served="4.11.3",
            earlier=["4.11.2"],
            last_good="4.11.2",
            rollout=RolloutSummary(bundle="4.12.0", phase=Phase.PAUSED),
        ),
        "rollout": rollout,
        "figures": an_answer(report=report, until=int(NOW - 7)),
        "sent": an_answer(report=report, until=int(NOW - 7)),
        "earlier": [a_report("4.11.3", 200, 0.92, healthy=29_000, failed=40)],
        "guard": a_guard(standing),
        "history": [
            a_change(
                *(1842, paused, by, "channel=production deed=pause move=pause"),
                reason="14 of 96 installs failed",
                kind="guard_acts" if by == "guard" else "move_rollout",
            ),
            a_change(1841, started, "ci-release", START.format("4.12.0"), kind="start_rollout"),
        ],
        "now": NOW,
    }
    return ChannelSight(**given | changes)
