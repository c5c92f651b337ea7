"""What the operator does in the truth test: releases, a rollout with a control group, a bad bundle, an experiment.

`a_day` is how many days of the full scenario one day stands for, so that a short run has all of it.
"""

import random
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

from edge.domain.changes.commands import (
    ChannelSettings,
    CreateApp,
    CreateChannel,
    MoveRollout,
    NewArm,
    SegmentSettings,
    SetSegment,
    StartExperiment,
    StartRollout,
    StopExperiment,
    WithdrawBundle,
)
from edge.domain.model import AppId
from edge.domain.schedule.rollout import Move
from edge.telemetry.spool.app_records import Outcome
from tests.truth.diary import Began, Came, Diary
from tests.truth.fleet import HAND_OVER_MS, Deed, live
from tests.truth.generations import build_members
from tests.truth.in_process import InProcess
from tests.truth.life import DAY

APP = AppId("com.example.truth")
BEGIN_MS = 1_772_409_600_000  # 2 March 2026, 0 o'clock UTC
FULL_DAYS = 35
SHARES = (5_000, 25_000, 100_000)
HOLD_OUT = 10_000
SEGMENTS = {"droids": 'platform == "android"', "east": 'country == "JP"'}
BAD, ROLLED, ARMS = "1.2.0", "1.1.0", (("plain", "1.3.0", 50_000), ("bold", "1.3.1", 50_000))
ARM_BUNDLES = {name: version for name, version, _ in ARMS}
VERSIONS = ("1.0.1", "1.0.2", ROLLED, BAD, "1.3.0", "1.3.1")
CHANNELS_OF = {version: ("beta",) if version == "1.0.2" else ("production",) for version in VERSIONS}
FAILS = {BAD: 0.4, ROLLED: 0.01, "1.3.1": 0.02}


class Told(NamedTuple):
    """A run that has ended: the node as it is then, and what really happened."""

    node: InProcess
    diary: Diary
    end_ms: int


async def run(
    folder: Path,
    *,
    devices: int,
    days: int,
    seed: int,
    each_hour: Callable[[InProcess], Awaitable[None]],
    after_deed: Callable[[InProcess], Awaitable[None]],
    hand_over_ms: int = HAND_OVER_MS,
) -> Told:
    """The node is open; close it."""
    node = InProcess(folder, APP, BEGIN_MS)
    diary = Diary(APP)
    _prepare(node)
    deeds = _deeds(node, diary, days)
    await live(
        node,
        diary,
        build_members(APP, devices, seed),
        deeds,
        lambda version: FAILS.get(version, 0.002),
        days=days,
        seed=seed,
        each_hour=lambda: each_hour(node),
        after_deed=lambda: after_deed(node),
        hand_over_ms=hand_over_ms,
    )
    return Told(node, diary, BEGIN_MS + days * DAY)


def _prepare(node: InProcess) -> None:
    node.change("app", CreateApp(app=APP))
    node.change("production", CreateChannel(name="production", settings=ChannelSettings(public=True)))
    node.change("beta", CreateChannel(name="beta", settings=ChannelSettings(self_set=True)))
    for name, where in SEGMENTS.items():
        node.change(f"segment-{name}", SetSegment(name=name, settings=SegmentSettings(where=where)))
    node.publish("1.0.1", "production")
    node.publish("1.0.2", "beta")


def _deeds(node: InProcess, diary: Diary, days: int) -> list[Deed]:
    """At these days of the full scenario."""

    def at(day: float) -> int:
        return BEGIN_MS + int(day * days / FULL_DAYS * DAY) + 37_000

    def start_rollout() -> None:
        node.publish(ROLLED, None)
        node.change("rollout-1", StartRollout(channel="production", bundle=ROLLED, steps=SHARES, hold_out=HOLD_OUT))

    def move(wanted: Move) -> Callable[[], None]:
        return lambda: node.change(f"{wanted.value}-{node.now_ms}", MoveRollout(channel="production", move=wanted))

    def withdraw() -> None:
        node.change("withdraw", WithdrawBundle(version=BAD, reason="does not start"))
        diary.withdrawn[BAD] = node.now_ms

    def publish_arms() -> None:
        for _, version, _ in ARMS:
            node.publish(version, None)
        arms = tuple(NewArm(name=name, bundle=version, weight=weight) for name, version, weight in ARMS)
        node.change("experiment-1", StartExperiment(channel="production", name="look", arms=arms))

    diary.rollouts.append(
        Began(
            at(3),
            "production",
            "rollout-1",
            HOLD_OUT,
            tuple(zip((at(3), at(4), at(5)), SHARES, strict=True)),
            (),
            at(8),
        )
    )
    diary.experiments.append(
        Began(
            at(13),
            "production",
            "experiment-1",
            arms=tuple((name, weight) for name, _, weight in ARMS),
            ended_ms=at(27),
        )
    )

    def import_tickets() -> None:
        draw = random.Random(f"tickets {node.now_ms}")
        for index in draw.sample(range(len(diary.devices)), max(1, len(diary.devices) // 20)):
            id, value = f"T-{node.now_ms}-{index}", float(draw.randrange(1, 6))
            outcome = Outcome("ticket", id, node.now_ms, device=diary.devices[index].id, value=value)
            for _ in range(2):  # the same file twice: each counts once
                node.tell_outcomes([outcome])
            diary.entries.append(Came(node.now_ms, index, "ticket", value))

    return [
        *(Deed(at(day), import_tickets) for day in (9, 18, 30)),
        Deed(at(3), start_rollout),
        Deed(at(4), move(Move.ADVANCE)),
        Deed(at(5), move(Move.ADVANCE)),
        Deed(at(8), move(Move.PROMOTE)),
        Deed(at(10), lambda: node.publish(BAD, "production")),
        Deed(at(10.5), withdraw),
        Deed(at(13), publish_arms),
        Deed(at(27), lambda: node.change("keep", StopExperiment(channel="production", keep="bold"))),
    ]
