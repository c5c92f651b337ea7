"""Apps with a past: changes one after another, and random ones that may be refused."""

from dataclasses import replace

import msgspec
from factories import NOW, a_bundle, a_change, digest
from hypothesis import strategies as st

from edge.domain.app_parts.stored_features import FeatureKind
from edge.domain.changes.apply import apply, foresee_proposal
from edge.domain.changes.approving.approval_commands import (
    ApproveProposal,
    EndFreeze,
    RejectProposal,
    WithdrawProposal,
)
from edge.domain.changes.commands import (
    NOTHING,
    Change,
    ChannelSettings,
    ClearOverride,
    CreateApp,
    CreateChannel,
    DeleteBundle,
    DeleteChannel,
    DeleteIdSet,
    DeleteSegment,
    MakeEventKey,
    MoveRollout,
    NewArm,
    PruneBundles,
    PublishBundle,
    PutIdSet,
    RemoveEventKeys,
    RollBack,
    RolloutTerms,
    SegmentSettings,
    SetChannel,
    SetOverride,
    SetSegment,
    StartExperiment,
    StartRollout,
    StopExperiment,
    Undo,
    WithdrawBundle,
)
from edge.domain.changes.features.feature_commands import (
    DeleteFeature,
    FeatureSettings,
    NewFeatureArm,
    NewFeatureRule,
    NewFeatureShare,
    NewPrerequisite,
    SetFeature,
    StartFeatureExperiment,
    StopFeatureExperiment,
    SwitchFeature,
)
from edge.domain.changes.features.feature_key_commands import MakeFeatureKey, RemoveFeatureKeys
from edge.domain.changes.guard.guard_commands import Finding, GuardActs, GuardDeed, GuardSettings, SetGuard
from edge.domain.changes.messages.message_commands import (
    CancelMessage,
    CreateMessage,
    NewMessageText,
    SetMessageCaps,
)
from edge.domain.errors import EdgeError
from edge.domain.guard_policy import GuardAction, Guarded
from edge.domain.guarding.watch import Watch, rules_of, watches_of
from edge.domain.model import AppState, Channel, Policy
from edge.domain.schedule.rollout import Move, step_at

SECONDS_BETWEEN = 1_000  # changes
LATEST = -1  # stands for the latest revision in an Undo
ANYWHERE = "?"  # stands for a channel where something is under way

VERSIONS = ("0.9.0", "1.0.1", "1.0.2", "1.0.3", "1.0.4", "1.1.0")
CHANNELS = ("production", "beta", "inner")
SEGMENTS = ("droids", "team", "some")
FEATURES = ("checkout", "dark", "fast")
DEVICES = tuple(f"{number:08x}-0000-4000-8000-000000000000" for number in range(12))
KEYS = tuple(f"pk_{letter * 24}" for letter in "abc")
STEPS = ((1_000, 5_000, 50_000, 100_000), (1,), (30_000, 60_000), (100_000,))


class History:
    """An app's states, one a revision, with a change every SECONDS_BETWEEN."""

    def __init__(self, *commands) -> None:
        self.states: list[AppState] = []
        self.changes: list[Change] = []
        self.tried = 0
        self.do(CreateApp(app="com.example.app"), *commands)

    @property
    def state(self) -> AppState:
        return self.states[-1]

    @property
    def before(self) -> AppState | None:
        return self.states[-2] if len(self.states) > 1 else None

    @property
    def now(self) -> float:
        """When the next change is made."""
        return NOW + SECONDS_BETWEEN * self.tried

    def do(self, *commands) -> AppState:
        for command in commands:
            change = a_change(self._meant(command), at=self.now, by=getattr(command, "hands", ("test",))[0])
            self.tried += 1
            state = self.states[-1] if self.states else None
            after = apply(state, change, self.before)
            if after is not state:
                self.states.append(after)
                self.changes.append(change)
        return self.state

    def attempt(self, command) -> bool:
        """Whether it was not refused."""
        try:
            self.do(command)
        except EdgeError:
            return False
        return True

    def undo(self, *, force: bool = False) -> AppState:
        return self.do(Undo(revision=LATEST, force=force))

    def _meant(self, command):
        match command:
            case Undo(revision=-1):
                return Undo(revision=self.state.revision, force=command.force)
            case MoveRollout(channel="?"):
                active = (c.name for c in self.state.channels.values() if c.rollout and c.rollout.phase.is_active)
                return MoveRollout(channel=next(active, "production"), move=command.move)
            case GuardActs(channel="?"):
                watch = next((each for each in watches_of(self.state) if each.acts), None)
                return command if watch is None else guard_acting(watch, command.deed, command.finding, self.now)
            case CancelMessage(message="?"):
                return CancelMessage(message=next(iter(self.state.messages), "m-0"))
            case ApproveProposal(proposal="?"):
                id = next(iter(self.state.proposals), "p0")
                return msgspec.structs.replace(command, proposal=id, effect=self._effect(id))
            case RejectProposal(proposal="?") | WithdrawProposal(proposal="?"):
                return msgspec.structs.replace(command, proposal=next(iter(self.state.proposals), "p0"))
            case EndFreeze(freeze="?"):
                return EndFreeze(freeze=next((each.id for each in self.state.freezes), "f0"))
            case StopExperiment(channel="?"):
                running = (c.name for c in self.state.channels.values() if c.experiment)
                return StopExperiment(channel=next(running, "production"), keep=command.keep)
        return command

    def _effect(self, proposal: str) -> str:
        """The digest of what it would do now; "" if it would do nothing that needs approval, or cannot be made."""
        try:
            needed = foresee_proposal(self.state, self.state.proposals[proposal], self.now).needed
        except (EdgeError, KeyError):
            return ""
        return needed.effect.digest if needed is not None else ""


def guard_acting(watch: Watch, deed: GuardDeed, finding: Finding, at: float) -> GuardActs:
    """What the guard commits about the watch at `at`, in seconds since the epoch."""
    step = step_at(watch.rollout, at) if watch.rollout is not None else None
    return GuardActs(
        channel=watch.channel,
        watch=watch.id,
        deed=deed,
        finding=finding,
        bundle=watch.bundle,
        step=step,
        rules=rules_of(watch.policy),
    )


PUBLISHED = (
    *(PublishBundle(bundle=a_bundle(version)) for version in VERSIONS),
    CreateChannel(name="production", settings=ChannelSettings(public=True, bundle="1.0.1")),
    CreateChannel(name="beta", settings=ChannelSettings(self_set=True, bundle="1.0.2")),
    SetSegment(name="droids", settings=SegmentSettings(where='platform == "android"')),
    SetSegment(name="some", settings=SegmentSettings(where="bucket(40)")),
)


def as_before(state: AppState) -> AppState:
    """A state without what an undo is documented not to bring back: the number, the ids of changes, names that stay
    used up, when a channel's bundle changed, what it was rolled back from, when a rollout's step began, how often
    it was resumed, what the guard has told, where judgements remember who was in a segment,
    and messages, which stay cancelled."""
    return replace(
        state,
        revision=0,
        recent=(),
        retired={},
        messages={},
        channels={n: _settled(c) for n, c in state.channels.items()},
        segments={n: replace(each, places=(), since=0) for n, each in state.segments.items()},
    )


def _settled(channel: Channel) -> Channel:
    fresh = {"step": 0, "began": 0.0, "resumed": 0, "resumed_at": 0.0}
    rollout = replace(channel.rollout, **fresh) if channel.rollout else None
    settled = replace(channel, changed=0.0, changed_by="", rolled_back=False, taken_back=(), rollout=rollout)
    return replace(settled, guard_told=None)


# --- random changes ---

_versions, _channels, _segments = map(st.sampled_from, (VERSIONS, CHANNELS, SEGMENTS))
_features = st.sampled_from(FEATURES)
_devices, _flags = st.sampled_from(DEVICES), st.booleans()
_targets = st.sampled_from((*VERSIONS, "builtin"))
_seldom = st.sampled_from((False, False, False, True))


@st.composite
def _settings(draw) -> ChannelSettings:
    given = {
        "bundle": _targets,
        "public": _flags,
        "self_set": _flags,
        "ios": _flags,
        "prod": _flags,
        "policy": st.sampled_from(Policy),
        "block_under_native": _flags,
        "rollback_passes": _flags,
        "test": _flags,
        "windows": st.sampled_from(((), ("daily 00:00-12:00 UTC",), ("Mon-Fri 01:00-05:00 Europe/Paris",))),
        "spread_seconds": st.sampled_from((0, 1_800)),
    }
    names = draw(st.sets(st.sampled_from(sorted(given)), max_size=3))
    return ChannelSettings(**{name: draw(given[name]) for name in sorted(names)})


@st.composite
def _guard_settings(draw) -> GuardSettings:
    given = {
        "guarded": st.sampled_from((Guarded.EVERYTHING, Guarded.EVERYTHING, Guarded.NOTHING)),
        "max_failure": st.sampled_from((1, 1_000, 5_000)),
        "segments": st.sampled_from(((), ("droids",), ("gone",))),
        "action": st.sampled_from(GuardAction),
        "auto_advance": _flags,
    }
    names = draw(st.sets(st.sampled_from(sorted(given)), min_size=1, max_size=3))
    return GuardSettings(**{name: draw(given[name]) for name in sorted(names)})


@st.composite
def _segment_settings(draw) -> SegmentSettings:
    old = "first_seen_days >= 7"
    wheres = ('platform == "android"', 'custom_id == "team"', "bucket(40)", 'in_set("vip")', old, f"is_prod && {old}")
    where = draw(st.sampled_from(wheres))
    given = {
        "where": where,
        "leave": draw(st.sampled_from((None, "first_seen_days < 5"))) if old in where else None,
        "priority": draw(st.integers(0, 3)),
        "yield_to_self_set": draw(st.sampled_from((None, True, False))),
    }
    leads = draw(st.sampled_from((None, *CHANNELS)))
    return SegmentSettings(**given, channel=leads)


_some_values = st.sampled_from(("true", "false"))


@st.composite
def _feature_settings(draw) -> FeatureSettings:
    """Of a boolean feature; now and then of another kind, which only a new one can have."""
    in_segment = st.builds(NewFeatureRule, value=_some_values, segment=_segments, share=st.sampled_from((None, 5_000)))
    by_words = st.builds(NewFeatureRule, value=_some_values, where=st.sampled_from(("is_prod", 'in_set("vip")')))
    given = {
        "rules": st.lists(in_segment | by_words, max_size=3).map(tuple),
        "share": st.none() | st.builds(NewFeatureShare, share=st.sampled_from((1, 50_000)), value=_some_values),
        "prerequisites": st.lists(
            st.builds(NewPrerequisite, feature=_features, value=st.none() | _some_values), max_size=2
        ).map(tuple),
        "needs": st.sampled_from(("", "1.0.2", ">=1.1")),
        "server_only": _flags,
        "noted": _flags,
    }
    names = draw(st.sets(st.sampled_from(sorted(given)), max_size=3))
    settings = FeatureSettings(**{name: draw(given[name]) for name in sorted(names)})
    if draw(_seldom):
        return settings
    kind = draw(st.sampled_from((FeatureKind.BOOLEAN, FeatureKind.BOOLEAN, FeatureKind.JSON)))
    default = draw(_some_values) if kind is FeatureKind.BOOLEAN else "{}"
    return msgspec.structs.replace(settings, kind=kind, default=default)


_plain_arms = st.lists(_versions, min_size=2, max_size=3).map(
    lambda versions: tuple(
        NewArm(name=f"arm{place}", bundle=version, weight=weight)
        for place, (version, weight) in enumerate(
            zip(versions, (50_000, 50_000) if len(versions) == 2 else (20_000, 30_000, 50_000), strict=True)
        )
    )
)
_own_terms = st.fixed_dictionaries(
    {},
    optional={
        "windows": st.just(("daily 01:00-05:00 UTC",)),
        "spread_seconds": st.sampled_from((600, 3_000)),
        "segment": _segments,
    },
)
_arms = _plain_arms | st.builds(
    lambda arms, terms: tuple(msgspec.structs.replace(arm, **own) for arm, own in zip(arms, terms, strict=False)),
    _plain_arms,
    st.lists(_own_terms, min_size=3, max_size=3),
)

_some_segments = st.sampled_from(((), (), ("droids",), ("some", "team")))
_one = st.just("production")  # where most of what takes several changes goes on

_SETTING_UP = (
    st.builds(
        SetChannel,
        name=_channels,
        settings=_settings(),
        replace=_flags,
        force=_seldom,
        downgrade=_flags,
        again=_flags,
        if_current=st.none() | _targets | st.just(NOTHING),
    ),
    st.builds(CreateChannel, name=_channels, settings=_settings(), replace=_flags),
    st.builds(DeleteChannel, name=_channels),
    st.builds(
        PublishBundle,
        bundle=_versions.map(a_bundle),
        channel=st.none() | _channels,
        rollout=st.none() | st.none() | st.sampled_from(STEPS).map(lambda steps: RolloutTerms(steps=steps)),
        force=_seldom,
        downgrade=_flags,
        again=_flags,
        if_current=st.none() | st.none() | _targets,
    ),
    st.builds(DeleteBundle, version=_versions),
    st.builds(PruneBundles, keep=st.integers(0, 5)),
    st.builds(WithdrawBundle, version=_versions, reason=st.just("white screen")),
    st.builds(RollBack, channel=_channels, to=st.none() | _targets),
    st.builds(SetOverride, device=_devices, channel=_channels),
    st.builds(ClearOverride, device=_devices),
    st.builds(SetSegment, name=_segments, settings=_segment_settings()),
    st.builds(DeleteSegment, name=_segments),
    st.builds(PutIdSet, name=st.just("vip"), blob=st.just(digest("vip")), ids=st.just(2)),
    st.builds(DeleteIdSet, name=st.just("vip")),
    st.builds(SetFeature, name=_features, settings=_feature_settings()),
    st.builds(SwitchFeature, name=_features, on=_flags),
    st.builds(DeleteFeature, name=_features),
    st.builds(
        StartFeatureExperiment,
        feature=_features,
        name=st.just("values"),
        arms=st.tuples(
            st.builds(NewFeatureArm, name=st.just("arm0"), value=_some_values, weight=st.just(30_000)),
            st.builds(NewFeatureArm, name=st.just("arm1"), value=_some_values, weight=st.just(70_000)),
        ),
        segment=st.none() | _segments,
    ),
    st.builds(StopFeatureExperiment, feature=_features, keep=st.sampled_from(("arm0", "arm1"))),
    st.builds(
        CreateMessage,
        texts=st.sampled_from(((NewMessageText(title="Hello"),), (NewMessageText(body="A"), NewMessageText(body="B")))),
        when=st.sampled_from(("now", "best", "2020-01-01 09:00 local")),
        expected=st.integers(0, 5),
        segment=st.none() | _segments,
        quiet=st.sampled_from(("", "22:00-08:00")),
        cap=st.sampled_from(("", "3/week")),
    ),
    st.builds(CancelMessage, message=st.just(ANYWHERE)),
    st.builds(SetMessageCaps, per_day=st.integers(0, 3), device=st.sampled_from(("", "1/day"))),
    st.builds(MakeEventKey, key=st.sampled_from(KEYS), keep_seconds=st.sampled_from((0, 1_500, 86_400))),
    st.just(RemoveEventKeys()),
    st.builds(
        MakeFeatureKey,
        digest=st.sampled_from((digest("one"), digest("two"))),
        shown=st.sampled_from(KEYS),
        keep_seconds=st.sampled_from((0, 1_500, 86_400)),
        server=_flags,
    ),
    st.builds(RemoveFeatureKeys, server=_flags),
    st.builds(Undo, revision=st.just(LATEST), force=_flags),
    st.builds(Undo, revision=st.just(3), force=st.just(True)),  # long gone
)
_UNDER_WAY = (
    st.builds(
        StartRollout,
        downgrade=_flags,
        again=_flags,
        channel=_one | _channels,
        bundle=_versions,
        steps=st.sampled_from(STEPS),
        every_seconds=st.sampled_from((0, 1_500)),
        segments=_some_segments,
        first=_some_segments,
        hold_out=st.sampled_from((0, 10_000)),
    ),
    st.builds(MoveRollout, channel=st.just(ANYWHERE), move=st.sampled_from(Move)),
    st.builds(
        StartExperiment, channel=_one | _channels, name=st.just("colours"), arms=_arms, segment=st.none() | _segments
    ),
    st.builds(StopExperiment, channel=st.just(ANYWHERE), keep=st.sampled_from(("arm0", "arm1"))),
    st.builds(SetGuard, channel=_one | _channels, settings=_guard_settings()),
    st.builds(
        GuardActs,
        channel=st.just(ANYWHERE),
        watch=st.just("none"),
        deed=st.sampled_from(GuardDeed),
        finding=st.sampled_from(Finding),
        bundle=_versions,
    ),
)
COMMANDS = st.one_of(*_SETTING_UP, *_UNDER_WAY, *_UNDER_WAY, _UNDER_WAY[1])

_ROLLOUT = StartRollout(channel="production", bundle="1.0.3", steps=STEPS[0], every_seconds=1_500)
_EXPERIMENT = StartExperiment(
    channel="production",
    name="colours",
    arms=(NewArm(name="arm0", bundle="1.0.1", weight=50_000), NewArm(name="arm1", bundle="1.0.4", weight=50_000)),
)
_AMONG_SOME = msgspec.structs.replace(_EXPERIMENT, segment="some")
_openings = st.sampled_from([[], [_ROLLOUT], [_EXPERIMENT], [_ROLLOUT, _AMONG_SOME]])
STORIES = st.builds(lambda opening, more: [*opening, *more], _openings, st.lists(COMMANDS, min_size=2, max_size=20))


def a_history(commands) -> History:
    """PUBLISHED, and whichever of `commands` are not refused."""
    history = History(*PUBLISHED)
    for command in commands:
        history.attempt(command)
    return history
