"""Answers about figures, as a node with some thousand devices gives them."""

from edge.domain.statistics.curves import AdoptionChange, build_adoption
from edge.domain.statistics.definitions import Definition, figure, share
from edge.domain.statistics.figures import (
    Crashes,
    duration_figures,
    per_1000,
    quality_figures,
    release_figures,
    retention_figures,
)
from edge.domain.statistics.histogram import bucket_of
from edge.domain.statistics.observation import Step
from edge.telemetry.questions.app_answers import (
    ActivityFigures,
    BundleFigures,
    BundleReport,
    FailureFigure,
    FeatureFigure,
    OutcomeChange,
    OutcomeFigure,
    StatsAnswer,
    StatsRow,
    TransferFigures,
)
from edge.telemetry.questions.sides import SideFigures, SidesAnswer

UNTIL = 1_795_892_400  # 2026-11-28 19:00:00Z
FIRST = UNTIL // 60 - 30 * 60

INSTALLED = Step.OFFERED | Step.DOWNLOADED | Step.INSTALLED
NEW = release_figures(
    [
        (INSTALLED | Step.HEALTHY, 8_000),
        (INSTALLED | Step.FAILED_BOOT, 21),
        (INSTALLED, 96),
        (Step.OFFERED | Step.DOWNLOADED, 430),
        (Step.OFFERED | Step.FAILED_INSTALL, 12),
        (Step.OFFERED, 950),
    ]
)
OLD = release_figures([(INSTALLED | Step.HEALTHY, 11_900), (INSTALLED | Step.FAILED_BOOT, 3), (Step.OFFERED, 140)])
QUALITY = quality_figures(41_220, 87, Crashes(8_200, 49, 30_100, 61))
NOTHING = quality_figures(0, 0, Crashes())


def durations(what, *seconds):
    buckets = {}
    for each in seconds:
        buckets[bucket_of(each)] = buckets.get(bucket_of(each), 0) + 1
    return duration_figures(what, buckets)


def an_answer(**changes) -> StatsAnswer:
    """Of an app, at a glance."""
    given = {
        "app": "com.example.app",
        "since": UNTIL - 86_400,
        "until": UNTIL,
        "counted_since": UNTIL - 86_400,
        "activity": ActivityFigures(
            active=figure(Definition.ACTIVE_DEVICES, 12_304),
            development=figure(Definition.ACTIVE_DEVICES, 7),
            checks=figure(Definition.CHECKS, 88_140),
            quality=QUALITY,
            session_seconds=durations(Definition.SESSION_SECONDS, 40, 192, 192, 842),
        ),
        "transfers": TransferFigures(
            complete=figure(Definition.DELIVERIES, 8_590),
            cut=figure(Definition.DELIVERIES, 31),
            bytes=figure(Definition.DELIVERED_BYTES, 3_210_000_000),
            reused_share=figure(Definition.REUSED_SHARE, None, unknown="it is of one bundle: name it"),
            seconds=durations(Definition.DOWNLOAD_SECONDS, 1.2, 4.1, 22.0),
            update_delay=durations(Definition.UPDATE_DELAY, 60, 19_000, 90_000),
        ),
        "retention": retention_figures([(0, 0, 900), (0, 1, 371), (0, 7, 198)], 20, 30),
        "bundles": [bundle("1.1.0", 8_117, NEW), bundle("1.0.0", 4_187, OLD)],
        "features": [feature("checkout", "feature", 2_040), feature("load", "duration", 9_900)],
        "outcomes": [
            OutcomeFigure(
                name="ticket",
                events=figure(Definition.EVENTS, 31),
                per_1000=per_1000(Definition.OUTCOMES, 31, 12_304),
                value=figure(Definition.OUTCOME_VALUES, 0),
                unmatched=figure(Definition.UNMATCHED_OUTCOMES, 4),
            )
        ],
        "report": None,
        "rows": [],
        "more_bundles": 0,
        "more_features": 0,
        "more_outcomes": 0,
        "more_rows": 0,
    }
    return StatsAnswer(**given | changes)


def bundle(name, running, release):
    return BundleFigures(
        bundle=name,
        running=figure(Definition.RUNNING, running),
        share=share(Definition.RUNNING_SHARE, running, 12_304, "nobody"),
        release=release,
    )


def feature(name, kind, devices):
    return FeatureFigure(
        name=name,
        kind=kind,
        events=figure(Definition.EVENTS, devices * 3),
        devices=figure(Definition.FEATURE_DEVICES, devices, estimated=True),
        share=share(Definition.FEATURE_SHARE, devices, 12_304, "nobody"),
        value=figure(Definition.APP_VALUES, 0.0),
        seconds=durations(Definition.APP_SECONDS, 0.3, 0.8, 2.4) if kind == "duration" else [],
    )


def a_report() -> BundleReport:
    """Of a bundle that two thirds of the devices run after 30 hours."""
    changes = [AdoptionChange(FIRST + 30 * at, round(600 * 0.93**at), 0) for at in range(60)]
    of = Definition.OUTCOME_CHANGE
    return BundleReport(
        bundle="1.1.0",
        release=NEW,
        adoption=build_adoption(changes, FIRST, UNTIL // 60, 12_304, 160),
        failures=[
            FailureFigure(cause=cause, platform="android", version_os=os, devices=figure(Definition.CAUSES, n))
            for cause, os, n in (("update_fail", "14", 17), ("update_fail", "13", 4), ("checksum_fail", "12", 12))
        ],
        more_failures=0,
        more_outcome_changes=0,
        outcome_changes=[
            OutcomeChange(
                name="ticket",
                segment=segment,
                before=per_1000(of, before, 24_000, estimated=True),
                with_bundle=per_1000(of, new, 9_000, estimated=True),
                without=per_1000(of, 9, 5_000, estimated=True),
            )
            for segment, before, new in (("", 41, 58), ("enterprise", 3, 30))
        ],
    )


def rows(by="platform") -> list[StatsRow]:
    if by == "hour":
        return [
            StatsRow(
                label="",
                name="",
                at=UNTIL - 3_600 * (3 - at),
                active=figure(Definition.ACTIVE_DEVICES, 900 + at, estimated=True),
                quality=QUALITY if at else None,
                release=None,
                running=figure(Definition.RUNNING, 6_000 + at),
            )
            for at in range(3)
        ]
    return [
        StatsRow(
            label=label,
            name="",
            at=None,
            active=figure(Definition.ACTIVE_DEVICES, devices),
            quality=quality,
            release=release,
            running=None,
        )
        for label, devices, quality, release in (("android", 8_200, QUALITY, NEW), ("ios", 4_104, NOTHING, OLD))
    ]


def the_sides() -> SidesAnswer:
    """Of a rollout."""
    return SidesAnswer(
        since=UNTIL - 86_400,
        until=UNTIL,
        sides=[
            SideFigures(
                id=f"r1/{name}",
                name=name,
                bundle="1.1.0" if release else "",
                active=figure(Definition.ACTIVE_DEVICES, devices),
                release=release,
                quality=quality,
            )
            for name, devices, release, quality in (
                ("new", 9_509, NEW, QUALITY),
                ("control", 600, None, NOTHING),
                ("rest", 2_195, None, QUALITY),
            )
        ],
    )
