"""Setting a channel's guard, and what the guard does to a release. Pure.

The guard acts by compare-and-swap: on the watch that its finding is about (and the step, if it ends that), or not at
all. So neither a second node nor a late message undoes what a person has decided since, and nothing is done twice.
"""

import ipaddress
from dataclasses import replace
from typing import Any

from msgspec import UNSET

from edge.domain.changes.channels import offering
from edge.domain.changes.guard.guard_commands import Finding, GuardActs, GuardDeed, GuardSettings, SetGuard
from edge.domain.changes.replacing import with_nothing_on_its_way
from edge.domain.errors import Conflict, Invalid
from edge.domain.guard_policy import GuardAction, GuardMetric, GuardPolicy, GuardTold
from edge.domain.guarding.odds.alpha import TESTS_LIMIT
from edge.domain.guarding.plan import tests_asked
from edge.domain.guarding.watch import Watch, plain_salt, rules_of, watch_of
from edge.domain.model import BUILTIN, AppState, Channel, Phase, Rollout
from edge.domain.schedule.rollout import Move, move, step_at, step_began
from edge.domain.shares import WHOLE_SHARE, format_share
from edge.domain.states import channel_of, last_good, segment_of, with_entry

MAX_FAILURE_SHARES = range(50, 50_001)  # 0.05 % to 50 %: below, no fleet is large enough; above, nothing is a release
FACTOR_LIMIT = 10.0  # times as often as in the control; what is worse than that needs no statistics
TRUSTED_PREFIXES_LIMIT = 20  # an office or a proxy has a few; each is compared with every vote's address
NARROWEST_TRUSTED_BITS = {4: 32, 6: 64}  # of an IPv6 address a node keeps its /64: it would match nothing
WIDEST_TRUSTED_BITS = {4: 8, 6: 16}  # a network that is wider trusts strangers
PAUSED = "paused"  # among what the guard has said


def carry_out(state: AppState, command: SetGuard | GuardActs, at: float) -> AppState:
    """`at` is in seconds since the epoch. Raises Invalid, NotFound, and Conflict `watch_over` if the guard's finding is
    about what is no more, `already_told` if it has done this before."""
    channel = channel_of(state, command.channel)
    match command:
        case SetGuard():
            after = _set(state, channel, command.settings, at)
        case GuardActs():
            after = _act(state, channel, command, at)
    return state if after == channel else replace(state, channels=with_entry(state.channels, channel.name, after))


def _set(state: AppState, channel: Channel, settings: GuardSettings, at: float) -> Channel:
    policy = replace(channel.guard, **_given(settings))
    policy = replace(policy, trusted_prefixes=tuple(dict.fromkeys(map(_prefix, policy.trusted_prefixes))))
    _check(state, policy)
    return replace(channel, guard=policy, rollout=_gated(channel.rollout, policy, at))


def _given(settings: GuardSettings) -> dict[str, Any]:
    given = {name: value for name in settings.__struct_fields__ if (value := getattr(settings, name)) is not UNSET}
    for name in ("metrics", "segments"):
        if name in given:
            given[name] = tuple(dict.fromkeys(given[name]))
    return given


def _check(state: AppState, policy: GuardPolicy) -> None:
    if policy.max_failure not in MAX_FAILURE_SHARES:
        least, most = MAX_FAILURE_SHARES[0], MAX_FAILURE_SHARES[-1]
        raise Invalid(
            "invalid_max_failure", f"the share that may fail must be {format_share(least)} to {format_share(most)}"
        )
    if not 1.0 <= policy.factor <= FACTOR_LIMIT:
        raise Invalid("invalid_factor", f"the factor must be 1.0 to {FACTOR_LIMIT}")
    if policy.silence is GuardAction.ROLLBACK:
        raise Invalid(
            "invalid_silence", "devices that fall silent can notify or pause: silence alone takes nothing back"
        )
    if not policy.metrics:
        raise Invalid("invalid_metrics", f"name at least one metric: {', '.join(each.value for each in GuardMetric)}")
    _check_tests(state, policy)
    if len(policy.trusted_prefixes) > TRUSTED_PREFIXES_LIMIT:
        raise Invalid("too_many_prefixes", f"a guard can trust at most {TRUSTED_PREFIXES_LIMIT} networks")


def _check_tests(state: AppState, policy: GuardPolicy) -> None:
    compared = [each.value for each in policy.metrics if each in (GuardMetric.CRASH, GuardMetric.ERROR)]
    if compared and not policy.versus_control:
        raise Invalid(
            "needs_control",
            f"metric {compared[0]} happens without any update too: compare it with the other devices (versus control)",
        )
    if (asked := tests_asked(policy)) > TESTS_LIMIT:
        raise Invalid(
            "too_many_tests",
            f"these rules are {asked} tests: each metric for all devices and each segment, and to roll back for known "
            f"devices; at most {TESTS_LIMIT} share the budget of false alarms: name fewer segments or metrics",
        )
    for name in policy.segments:
        segment_of(state, name)


def _prefix(text: str) -> str:
    """In its usual form. Raises Invalid `invalid_prefix`."""
    try:
        network = ipaddress.ip_network(text.strip(), strict=False)
    except ValueError as error:
        raise Invalid(
            "invalid_prefix", f"trusted prefix {text[:64]!r} is not a network such as 203.0.113.0/24 or 2001:db8::/32"
        ) from error
    if isinstance(network, ipaddress.IPv6Network) and network.network_address.ipv4_mapped is not None:
        raise Invalid(
            "invalid_prefix", f"trusted prefix {text[:64]!r} holds IPv4 addresses: write it as 203.0.113.0/24"
        )
    narrowest = NARROWEST_TRUSTED_BITS[network.version]
    if network.prefixlen > narrowest:
        raise Invalid("invalid_prefix", f"trusted prefix {text[:64]!r} is too narrow: use /{narrowest} or wider")
    widest = WIDEST_TRUSTED_BITS[network.version]
    if network.prefixlen < widest:
        raise Invalid("invalid_prefix", f"trusted prefix {text[:64]!r} is too wide: use /{widest} or narrower")
    return str(network)


def _gated(rollout: Rollout | None, policy: GuardPolicy, at: float) -> Rollout | None:
    """An active rollout follows at once: one that ends its steps by time from now on does so from where it is."""
    if rollout is None or not rollout.phase.is_active or rollout.gated == policy.auto_advance:
        return rollout
    if rollout.phase is Phase.PAUSED:
        return replace(rollout, gated=policy.auto_advance)
    step, began = step_at(rollout, at), step_began(rollout, at)
    # Without the gate, a step whose time has long been up would make way for several at once.
    return replace(rollout, gated=policy.auto_advance, step=step, began=began if policy.auto_advance else at)


def _act(state: AppState, channel: Channel, command: GuardActs, at: float) -> Channel:
    watch = _watch(channel, command, at)
    match command.deed:
        case GuardDeed.PAUSE:
            return _noting(_pause(state, channel, at), watch, PAUSED)
        case GuardDeed.ROLL_BACK:
            return _take_back(state, channel, at)
        case GuardDeed.ADVANCE if channel.rollout is not None:
            return replace(channel, rollout=move(channel.rollout, Move.ADVANCE, at))
        case _:
            return _tell(channel, watch, command)


def _watch(channel: Channel, command: GuardActs, at: float) -> Watch:
    """What is watched now. Raises Conflict `watch_over` if that is not what the command is about."""
    watch = watch_of(channel)
    if watch is None or watch.id != command.watch or not may_act(channel, watch, command.deed):
        raise Conflict("watch_over", f"what the guard found on channel {channel.name!r} is about a release that ended")
    if command.rules and command.rules != rules_of(channel.guard):
        raise Conflict("watch_over", f"what the guard found on channel {channel.name!r} was judged by other rules")
    about_a_step = command.deed in (GuardDeed.ADVANCE, GuardDeed.WAIT)
    if about_a_step and (watch.rollout is None or step_at(watch.rollout, at) != command.step):
        raise Conflict("watch_over", f"the rollout on channel {channel.name!r} is at another step by now")
    return watch


def _pause(state: AppState, channel: Channel, at: float) -> Channel:
    if channel.rollout is not None and channel.rollout.phase.is_active:
        return replace(channel, rollout=move(channel.rollout, Move.PAUSE, at))
    return _as_paused_rollout(state, channel, at)


def _as_paused_rollout(state: AppState, channel: Channel, at: float) -> Channel:
    """What was published to all devices becomes a paused rollout to all of them: those that run it keep it, the others
    get what the channel offered before. Resumed or promoted, all get it again."""
    assert channel.bundle is not None and channel.bundle != BUILTIN, "such a channel has no watch"
    rollout = Rollout(
        bundle=channel.bundle,
        salt=plain_salt(channel),
        steps=(WHOLE_SHARE,),
        phase=Phase.PAUSED,
        began=channel.changed,
        frozen=WHOLE_SHARE,
        paused=at,
        started=channel.changed,
    )
    before = last_good(state, channel) or BUILTIN
    return replace(offering(channel, before, at, back=True), rollout=rollout)


def _take_back(state: AppState, channel: Channel, at: float) -> Channel:
    after = with_nothing_on_its_way(channel, at)
    if after.rollout is not channel.rollout:
        return replace(after, experiment=channel.experiment)  # which is none of the guard's business
    return offering(channel, last_good(state, channel) or BUILTIN, at, back=True)


def may_act(channel: Channel, watch: Watch, deed: GuardDeed) -> bool:
    """Whether the watch is of a release that goes on; or of one that the guard itself has paused, and now knows enough
    of to take back."""
    return watch.acts or (deed is GuardDeed.ROLL_BACK and PAUSED in _said(channel, watch.id))


def _tell(channel: Channel, watch: Watch, command: GuardActs) -> Channel:
    """Raises Conflict `already_told`."""
    held = command.deed is GuardDeed.WAIT and command.finding is Finding.BLIND
    word = _held_word(command.step) if held else _word(command.finding, command.step)
    if word in _said(channel, watch.id):
        raise Conflict("already_told", f"the guard of channel {channel.name!r} has told this")
    return _noting(channel, watch, word)


def is_told(channel: Channel, watch: str, finding: Finding, step: int | None) -> bool:
    """Whether the guard has told this of the watch; of a step, that it waits."""
    return _word(finding, step) in _said(channel, watch)


def is_held_told(channel: Channel, watch: str, step: int | None) -> bool:
    """Whether the guard has told of the step that nodes which say nothing hold it."""
    return _held_word(step) in _said(channel, watch)


def _noting(channel: Channel, watch: Watch, word: str) -> Channel:
    said = (*_said(channel, watch.id), word)
    return replace(channel, guard_told=GuardTold(watch=watch.id, said=said))


def _said(channel: Channel, watch: str) -> tuple[str, ...]:
    told = channel.guard_told
    return told.said if told is not None and told.watch == watch else ()


def _held_word(step: int | None) -> str:
    return f"held {step}"


def _word(finding: Finding, step: int | None) -> str:
    return f"waits {step}" if finding is Finding.UNSURE else finding.value
