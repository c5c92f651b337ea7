"""Questions about the devices whose reports a node still holds: what a change or a rollout would do to them, and on
which of them a bundle waits for the next start.

Each reads the spool and decides for every device, in a thread and one at a time: no device waits for it.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import TypeVar

from edge.assembly.current_snapshots import CurrentSnapshots
from edge.control.ports import ASKED_BY, FoundDevices, MatchCount, Matcher
from edge.control.shapes.features.counted import view_feature_impact, view_given, view_moves
from edge.control.shapes.features.feature_shapes import FeaturePreview, FeatureReachView, FeaturesReach
from edge.control.shapes.impact import (
    REACHES_LISTED,
    DevicesImpactView,
    ImpactView,
    ReachView,
    view_devices,
    view_impact,
)
from edge.control.shapes.insight.segment_reach import SegmentsReach, view_segments
from edge.control.shapes.rollouts import FailureCostView, KnownView, PreviewAnswer, StepView, WaitingView
from edge.control.work_queue import Turns
from edge.domain.changes.apply import foresee
from edge.domain.changes.commands import Change, StartRollout
from edge.domain.decision.foresight.feature_counts import FeatureCounts, FeatureMoves, changed_features
from edge.domain.decision.foresight.impact import count_devices, impact_of
from edge.domain.decision.foresight.preview import (
    HAS_IT,
    OFFERED,
    RolloutPreview,
    StepPreview,
    preview_rollout,
    share_in,
)
from edge.domain.decision.foresight.reach import count_reach, newly_offered, with_offer_to_all
from edge.domain.decision.foresight.segment_counts import count_segments
from edge.domain.decision.outcomes import HoldReason
from edge.domain.decision.snapshot import AppSnapshot
from edge.domain.errors import Conflict, Unavailable
from edge.domain.facts import DeviceFacts
from edge.domain.guard_policy import Guarded
from edge.domain.guarding.cost import cost_of_failure
from edge.domain.model import AppId, AppState, ChannelName, DeviceId, Rollout, UpdateCheck, VersionName
from edge.domain.schedule.rollout import Moment
from edge.domain.shares import WHOLE_SHARE, format_share
from edge.domain.states import channel_of
from edge.node.processes.data_directory import OpenedDirectory
from edge.store.releases import Rehearsed
from edge.telemetry.behaviour.known_facts import KnownFacts
from edge.telemetry.devices.device_search import DeviceSearch, find_devices
from edge.telemetry.devices.device_story import StoryPage, take_page
from edge.telemetry.devices.known_devices import KnownDevice, KnownDevices
from edge.telemetry.devices.remembered_devices import RememberedDevices, SeenDevices
from edge.telemetry.devices.waiting_devices import count_waiting
from edge.telemetry.spool.recent_events import RecentEvents
from edge.telemetry.upkeep.erasures import erased_until

T = TypeVar("T")

WAITING_LIMIT = 8  # callers, including the one being served; each takes seconds, and no caller would wait for more


class KnownDeviceQuestions:
    """Raises Unavailable `busy` beyond `WAITING_LIMIT` callers, unless stated otherwise."""

    def __init__(
        self,
        directory: OpenedDirectory,
        facts_table: Path,
        snapshots: CurrentSnapshots,
        moment_of: Callable[[AppId], Moment],
    ) -> None:
        self._directory = directory
        self._facts_table = facts_table
        self._snapshots = snapshots
        self._moment_of = moment_of
        self._remembered = RememberedDevices(time.time)
        self._turns = Turns(1, WAITING_LIMIT - 1, "too many requests about known devices at once; try again later")

    async def preview(self, app: AppId, command: StartRollout, change_id: str, listed: int) -> PreviewAnswer:
        """Raises what `apply` raises, Conflict `command_id_used`, Unavailable `busy`."""
        moment = self._moment_of(app)
        return await self._in_turn(lambda: self._preview(moment, app, command, change_id, listed))

    async def reported(self, app: AppId, device: str) -> KnownDevice | None:
        """What the device would request now, judged by its latest report; None without a report."""
        return await self._in_turn(lambda: self._reported(app, device))

    def as_of(self, app: AppId, now: float) -> float:
        """When what is told of known devices was read, for who asks at `now`: a page may get what others got."""
        read = self._remembered.read_at(app) if ASKED_BY.get().on_page else None
        return now if read is None else min(now, read)

    async def find(self, app: AppId, search: DeviceSearch, limit: int) -> FoundDevices:
        """The devices that `search` matches, in pages of at most `limit`."""
        return await self._in_turn(lambda: self._find(app, search, limit))

    async def waiting(self, app: AppId, bundle: VersionName) -> WaitingView | None:
        """On how many known devices the bundle waits for the next start; None instead of `busy`."""
        try:
            return await self._in_turn(lambda: self._waiting(app, bundle))
        except Unavailable:
            return None

    async def reach(self, app: AppId, channel: ChannelName) -> ReachView:
        """Which known devices can take what the channel offers. Raises NotFound `unknown_app`, `unknown_channel`,
        Unavailable `busy`."""
        moment = self._moment_of(app)
        return await self._in_turn(lambda: self._reach(moment, app, channel))

    async def weigh(self, rehearsed: Rehearsed) -> ImpactView:
        """What a change does to channels and known devices; without devices instead of `busy`, and for an id set that a
        rehearsal has not stored."""
        before, after, _ = rehearsed
        devices, names, counts = None, changed_features(before, after), None
        if before is not None and after is not before:
            moment = self._moment_of(after.app)
            with suppress(Unavailable):
                devices, counts = await self._in_turn(lambda: self._ask(moment, before, after, names))
        return view_impact(impact_of(before, after), devices, view_feature_impact(names, counts))

    async def preview_feature(self, rehearsed: Rehearsed, name: str) -> FeaturePreview:
        """Which known devices get what of the feature before and after the change. Raises Unavailable `busy`."""
        now = self._moment_of(rehearsed.after.app).now
        return await self._in_turn(lambda: self._preview_feature(rehearsed, name, now))

    async def story(self, app: AppId, device: DeviceId, limit: int, before_ms: int) -> StoryPage:
        """What the device reported, newest first."""
        return await self._in_turn(lambda: self._story(app, device, limit, before_ms))

    async def segments(self, app: AppId) -> SegmentsReach:
        """Which known devices are in which segment. Raises NotFound `unknown_app`, Unavailable `busy`."""
        now = self._moment_of(app).now
        return await self._in_turn(lambda: self._segments(app, now))

    async def count_matching(self, app: AppId, build: Callable[[], Matcher]) -> MatchCount:
        """How many known devices the expression selects. Raises what `build` raises, Unavailable `busy`."""
        now = self._moment_of(app).now
        return await self._in_turn(lambda: self._count_matching(app, build, now))

    def _story(self, app: AppId, device: DeviceId, limit: int, before_ms: int) -> StoryPage:
        erased = erased_until(self._directory.erasures_dir, app).get(device, -1)
        events = RecentEvents(self._directory.spool_dir, app, device=device)
        return take_page(events, limit, before_ms, erased)._replace(cut=events.cut)

    def _segments(self, app: AppId, now: float) -> SegmentsReach:
        snapshot, known = self._snapshots.load(app), self._shown(app)
        with closing(self._known_facts()) as table:
            counts = count_segments(snapshot, self._with_facts(known, table, now))
        return view_segments(app, counts, since=known.since, cut=known.cut)

    def _count_matching(self, app: AppId, build: Callable[[], Matcher], now: float) -> MatchCount:
        matcher, known = build(), self._shown(app)
        matching, unknown = 0, Counter[str]()
        with closing(self._known_facts()) as table:
            for check, facts in self._with_facts(known, table, now):
                matching += matcher.matches(check, facts)
                unknown.update(matcher.unknown(check, facts))
        return MatchCount(known.devices, matching, unknown, known.since, known.cut)

    def _known(self, app: AppId) -> KnownDevices:
        erased = erased_until(self._directory.erasures_dir, app)
        return KnownDevices(self._directory.spool_dir, app, erased=erased)

    def _shown(self, app: AppId) -> KnownDevices | SeenDevices:
        """What a page shows may have been read some seconds ago, see `as_of`; what weighs a change is not."""
        if not ASKED_BY.get().on_page:
            return self._known(app)
        return self._remembered.of(app, self._known(app), erased_until(self._directory.erasures_dir, app))

    def _reported(self, app: AppId, device: str) -> KnownDevice | None:
        erased = erased_until(self._directory.erasures_dir, app)
        if ASKED_BY.get().on_page and (found := self._remembered.find(app, DeviceId(device), erased)) is not None:
            return found
        return next(iter(KnownDevices(self._directory.spool_dir, app, device=device, erased=erased)), None)

    def _find(self, app: AppId, search: DeviceSearch, limit: int) -> FoundDevices:
        known = self._shown(app)
        page = find_devices(known, search, limit)
        return FoundDevices(page, known.since, known.cut)

    async def features(self, app: AppId) -> FeaturesReach:
        """Which known devices get what of each feature. Raises NotFound `unknown_app`, Unavailable `busy`."""
        now = self._moment_of(app).now
        return await self._in_turn(lambda: self._features(app, now))

    def _features(self, app: AppId, now: float) -> FeaturesReach:
        snapshot, known = self._snapshots.load(app), self._shown(app)
        moves = FeatureMoves(None, snapshot, snapshot.features.names)
        with closing(self._known_facts()) as table:
            devices = sum(1 for _ in moves.noting(self._with_facts(known, table, now)))
        given = [FeatureReachView(feature=name, given=view_given(each.after)) for name, each in moves.counts.items()]
        return FeaturesReach(devices=devices, since=known.since, cut=known.cut, features=given)

    def _preview_feature(self, rehearsed: Rehearsed, name: str, now: float) -> FeaturePreview:
        before, after, _ = rehearsed
        becomes = self._snapshots.of(after, now) if after is before else self._snapshots.compile(after, now)
        was = None if before is None else self._snapshots.of(before, now)
        changed = changed_features(before, after)
        moves, known = FeatureMoves(was, becomes, {name, *changed}), self._shown(after.app)
        with closing(self._known_facts()) as table:
            devices = sum(1 for _ in moves.noting(self._with_facts(known, table, now)))
        counts = moves.counts[name]
        return FeaturePreview(
            app=after.app,
            name=name,
            devices=devices,
            since=known.since,
            cut=known.cut,
            touched=counts.touched,
            before=view_given(counts.before),
            after=view_given(counts.after),
            moves=view_moves(counts),
            others=view_feature_impact(changed - {name}, moves.counts),
        )

    def _ask(
        self, moment: Moment, before: AppState, after: AppState, features: Iterable[str]
    ) -> tuple[DevicesImpactView, Mapping[str, FeatureCounts]]:
        was = self._snapshots.of(before, moment.now)
        becomes = self._snapshots.compile(after, moment.now)
        known, moves = self._known(after.app), FeatureMoves(was, becomes, features)
        with closing(self._known_facts()) as table:
            devices = moves.noting(self._with_facts(known, table, moment.now))
            counted = count_devices(was, becomes, devices, moment)
        reaches = [
            self._reach_of(self._snapshots.compile(with_offer_to_all(after, name), moment.now), name, moment)
            for name in newly_offered(before, after)[:REACHES_LISTED]
        ]
        return view_devices(counted, since=known.since, cut=known.cut, reaches=reaches), moves.counts

    def _reach(self, moment: Moment, app: AppId, name: ChannelName) -> ReachView:
        snapshot = self._snapshots.load(app)
        if name not in snapshot.channels:
            channel_of(self._directory.releases.load(app), name)  # raises, with what to do
        return self._reach_of(snapshot, name, moment)

    def _reach_of(self, snapshot: AppSnapshot, name: ChannelName, moment: Moment) -> ReachView:
        channel = snapshot.channels[name].channel
        known = self._known(snapshot.app)
        with closing(self._known_facts()) as table:
            devices = self._with_facts(known, table, moment.now)
            seen = count_reach(snapshot, channel.name, devices, moment)
        return ReachView(
            channel=channel.name,
            bundle=channel.bundle,
            devices=known.devices,
            offered=seen.outcomes.pop(OFFERED, 0),
            has_it=seen.outcomes.pop(HAS_IT, 0),
            kept=dict(seen.outcomes.most_common()),
            elsewhere=seen.elsewhere,
            since=known.since,
            cut=known.cut,
        )

    def _waiting(self, app: AppId, bundle: VersionName) -> WaitingView:
        with closing(self._known_facts()) as table:
            return WaitingView(**count_waiting(self._directory.spool_dir, app, bundle, table.look_up)._asdict())

    def _preview(self, moment: Moment, app: AppId, command: StartRollout, change_id: str, listed: int) -> PreviewAnswer:
        before = self._directory.releases.load(app)
        after = foresee(before, Change(id=change_id, at=moment.now, by="preview", command=command))
        if after is before:
            raise Conflict("command_id_used", f"the change {change_id!r} was already made; use another id")
        snapshot = self._snapshots.compile(after, moment.now)
        known = self._known(app)
        channel = ChannelName(command.channel)
        with closing(self._known_facts()) as table:
            devices = self._with_facts(known, table, moment.now)
            preview = preview_rollout(snapshot, channel, devices, moment, listed=listed)
        return _answer(after, channel, change_id, preview, known)

    def _with_facts(
        self, known: KnownDevices | SeenDevices, table: KnownFacts, now: float
    ) -> Iterator[tuple[UpdateCheck, DeviceFacts]]:
        for check, _ in known:
            yield check, table.look_up(check.app, check.device)

    def _known_facts(self) -> KnownFacts:
        return KnownFacts(self._facts_table, self._directory.behaviour_table)

    async def _in_turn(self, work: Callable[[], T]) -> T:
        async with self._turns.turn():
            return await asyncio.to_thread(work)


def _answer(
    state: AppState, channel: ChannelName, change_id: str, preview: RolloutPreview, known: KnownDevices
) -> PreviewAnswer:
    rollout, policy = state.channels[channel].rollout, state.channels[channel].guard
    assert rollout is not None, "the start has made one"
    limit = None if policy.guarded is Guarded.NOTHING else policy.max_failure / WHOLE_SHARE
    return PreviewAnswer(
        app=state.app,
        channel=channel,
        bundle=rollout.bundle,
        id=change_id,
        hold_out=format_share(rollout.hold_out),
        hold_out_group=rollout.hold_out_group,
        steps=[_step(rollout, number, step, limit) for number, step in enumerate(preview.steps)],
        known=KnownView(devices=known.devices, elsewhere=preview.elsewhere, since=known.since, cut=known.cut),
    )


def _step(rollout: Rollout, number: int, step: StepPreview, limit: float | None) -> StepView:
    """`limit` is what the guard lets fail, 0 to 1; None: it does not watch."""
    held_back = {code: n for code, n in sorted(step.outcomes.items()) if code not in (OFFERED, HAS_IT)}
    return StepView(
        share=format_share(step.share),
        after_seconds=number * rollout.every_seconds if rollout.every_seconds or not number else None,
        buckets=share_in(rollout, step.share),
        offered=step.outcomes[OFFERED],
        has_it=step.outcomes[HAS_IT],
        held_back=held_back,
        joining=list(step.joining),
        cost=None if limit is None else _cost(step, limit),
    )


def _cost(step: StepPreview, limit: float) -> FailureCostView | None:
    """Of a release that fails a tenth of its starts, for as many devices as are known and can get it."""
    active = step.outcomes.total() - step.outcomes[HoldReason.NOT_IN_SEGMENT.code]
    return FailureCostView(**cost_of_failure(active, step.share, limit)._asdict()) if active else None
