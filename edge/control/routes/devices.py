"""Single devices: their facts (stored choice, what failed, what was offered), and the overrides that operators set.

Facts are per-device state outside the revisions: an operator can lift a withheld bundle and erase a device. Overrides
are changes of the app like any other.
"""

import logging
import re
from collections.abc import Iterable, Mapping

from edge.control.access.roles import Permission
from edge.control.calls import Call, commit, load_app
from edge.control.operations import DRY_RUN, Operation, parse_flag, parse_number
from edge.control.routes.apps import HISTORY_DEFAULT, HISTORY_LIMIT
from edge.control.shapes.devices import (
    BehaviourView,
    DeviceErased,
    DeviceList,
    DeviceView,
    FailingView,
    ListedDevice,
    OverrideChanged,
    OverrideCleared,
    OverrideRequest,
    OverrideView,
    WithheldLifted,
    WithheldLiftedFromAll,
    WithheldView,
)
from edge.domain.changes.commands import ClearOverride, SetOverride
from edge.domain.decision.behaviour_seen import date_of
from edge.domain.errors import Invalid, NotFound, Unavailable
from edge.domain.facts import NO_FACTS, Behaviour, failure_of, forgot_until, name_hash
from edge.domain.features.compiling import expressions_of
from edge.domain.model import AppState, DeviceId, parse_device_id, parse_version_name
from edge.domain.targeting.segments import features_read
from edge.facts.changes import Erased, Lifted
from edge.telemetry.devices.device_search import DeviceSearch, parse_page_mark, runs_of
from edge.telemetry.devices.known_devices import KnownDevice

WITHIN = "within_seconds"
WHOLE_TIME = 10**9  # seconds: longer than there are any facts

ERASED_SECONDS = 7_200.0  # the file that a worker writes is closed within an hour, counted and then erased from
REMAINS = (
    "sums, distributions and sketches of distinct devices, which name nobody",
    "hashes by which repeated reports are recognised, for two hours, and the devices of an experiment",
    "outcomes that were stated by custom id, until telemetry.keep_days are over",
    "an override of the device: remove it with `edge override clear`; the history keeps that it was there",
    "files that somebody exported: the node keeps none",
)

_ID_PREFIX = re.compile(r"[0-9a-f-]{0,36}")
NOT_KNOWN = "(cannot be read)"  # no channel can be called so
_log = logging.getLogger(__name__)


async def handle_show(call: Call[None]) -> DeviceView:
    """Facts hold hashes of names: the name of a bundle or channel that the app no longer has shows as null."""
    state = await load_app(call)
    device = parse_device_id(call.part("device"))
    facts = call.ports.facts.facts_of(state.app, device)
    versions = _names((*state.bundles, *state.retired))
    nodes = await _nodes_of(call, state, device)
    return DeviceView(
        app=state.app,
        device=device,
        override=_override_of(state, device),
        channel=_names(state.channels).get(facts.channel),
        withheld=[
            WithheldView(
                version=versions.get(each.bundle),
                cause=each.cause.word,
                attempts=each.attempts,
                until=each.until,
                node=nodes.get(each.bundle, ""),
            )
            for each in facts.failures
            if each.withheld
        ],
        failing=[
            FailingView(version=versions.get(each.bundle), cause=each.cause.word, attempts=each.attempts)
            for each in facts.failures
            if not each.withheld
        ],
        forgot=forgot_until(facts) > 0,
        offered=[versions.get(bundle) for bundle in facts.offered],
        behaviour=_behaviour_of(state, facts.behaviour),
    )


async def _nodes_of(call: Call[None], state: AppState, device: DeviceId) -> Mapping[int, str]:
    """Where each bundle failed, by its hash."""
    sharing = call.ports.sharing
    if sharing is None:
        return {}
    known = await sharing.known_of(state.app, device)
    names = {each.node: each.name for each in call.ports.fleet.registry.nodes()}
    failed = [(each.bundle, each.verdict.node) for each in known.bundles if each.verdict is not None]
    return {bundle: names.get(node, node) for bundle, node in failed}


def _behaviour_of(state: AppState, found: Behaviour) -> BehaviourView | None:
    if not found.judged_day:
        return None
    of_segments = (text for each in state.segments.values() for text in (each.where, each.leave))
    names = sorted(features_read(*of_segments, *expressions_of(state)))
    used = found.features
    return BehaviourView(
        judged=date_of(found.judged_day).isoformat(),
        first_seen_days=found.first_seen_days or 0,
        sessions_7d=found.sessions_7d,
        session_minutes_7d=found.session_minutes_7d,
        errors_7d=found.errors_7d,
        update_delay_hours=found.update_delay_hours,
        install_seconds=found.install_seconds,
        features=None if used is None else [name for name in names if name in used],
    )


async def handle_list(call: Call[None]) -> DeviceList:
    """Devices whose reports this node still holds; the facts of others have no names."""
    state = await load_app(call)
    limit = parse_number(call.request, "limit", HISTORY_DEFAULT, 1, HISTORY_LIMIT)
    found = await call.ports.known_devices.find(state.app, _search(call), limit)
    versions, channels = _names((*state.bundles, *state.retired)), _names(state.channels)
    listed = [_listed(call, state, each, versions, channels) for each in found.page.devices]
    next_page = found.page.next_page or None
    return DeviceList(
        devices=listed, matching=found.page.matching, next_page=next_page, since=found.since, cut=found.cut
    )


def _override_of(state: AppState, device: DeviceId) -> str | None:
    """Of a lost part, that it is not known: the rest about the device is shown all the same."""
    try:
        return state.overrides.get(device)
    except Unavailable:
        return NOT_KNOWN


def _search(call: Call[None]) -> DeviceSearch:
    query = call.request.query
    within = parse_number(call.request, WITHIN, WHOLE_TIME, 1, WHOLE_TIME)
    after = query.get("after")
    prefix, custom_id = query.get("id_prefix", "").lower(), query.get("custom_id", "")
    if _ID_PREFIX.fullmatch(prefix) is None:
        raise Invalid("invalid_id_prefix", "invalid id_prefix: use the first characters of a UUID")
    return DeviceSearch(
        id_prefix=prefix,
        custom_id=custom_id,
        runs=query.get("runs", ""),
        since=max(call.ports.clock.now() - within, 0.0),
        after=parse_page_mark(after) if after is not None else None,
    )


def _listed(
    call: Call[None], state: AppState, known: KnownDevice, versions: Mapping[int, str], channels: Mapping[int, str]
) -> ListedDevice:
    check = known.check
    facts = call.ports.facts.facts_of(state.app, check.device)
    return ListedDevice(
        device=check.device,
        custom_id=check.custom_id,
        reported=known.reported,
        platform=check.platform.value,
        runs=runs_of(check),
        native=check.version_build,
        plugin=check.plugin.version,
        override=_override_of(state, check.device),
        channel=channels.get(facts.channel),
        withheld=[versions.get(each.bundle) for each in facts.failures if each.withheld],
    )


async def handle_lift(call: Call[None]) -> WithheldLifted:
    state = await load_app(call)
    device, version = parse_device_id(call.part("device")), parse_version_name(call.part("version"))
    _check_withheld(call, state, device, version)
    await call.ports.facts.record([Lifted(state.app, device, version)])
    return WithheldLifted(app=state.app, device=device, version=version)


async def handle_lift_all(call: Call[None]) -> WithheldLiftedFromAll:
    """A bundle of which no device is left is no error: a repeat after a broken connection finds none."""
    state = await load_app(call)
    version = parse_version_name(call.part("version"))
    within = parse_number(call.request, WITHIN, WHOLE_TIME, 1, WHOLE_TIME)
    dry_run = parse_flag(call.request, DRY_RUN)
    if version not in state.bundles and version not in state.retired:
        raise NotFound("unknown_bundle", f"app {state.app!r} never had a bundle {version!r}")
    since = max(call.ports.clock.now() - within, 0.0)
    devices = await call.ports.facts.lift_all(state.app, version, since, dry_run=dry_run)
    if not dry_run:
        _log.info("%s lifted bundle %s of %s from %d devices", call.grant.name, version, state.app, devices)
    return WithheldLiftedFromAll(app=state.app, version=version, devices=devices, dry_run=dry_run)


async def handle_erase(call: Call[None]) -> DeviceErased:
    """Facts first, which decide what the device gets; the rest survives a restart once it is noted."""
    state = await load_app(call)
    device = parse_device_id(call.part("device"))
    known: bool | None = call.ports.facts.facts_of(state.app, device) != NO_FACTS or device in state.overrides
    await call.ports.facts.record([Erased(state.app, device)])
    erased = await call.ports.telemetry.erase(state.app, device)
    if not known:
        known = None if erased is None else bool(erased.rows or erased.lines)
    done_by = call.ports.clock.now() + ERASED_SECONDS
    return DeviceErased(
        app=state.app, device=device, known=known, erased=erased, done_by=done_by, remains=list(REMAINS)
    )


async def handle_list_overrides(call: Call[None]) -> list[OverrideView]:
    """By device id."""
    state = await load_app(call)
    return [OverrideView(device=device, channel=name) for device, name in sorted(state.overrides.items())]


async def handle_set_override(call: Call[OverrideRequest]) -> OverrideChanged:
    device = parse_device_id(call.part("device"))
    committed = await commit(call, call.app, SetOverride(device=device, channel=call.body.channel))
    state = committed.state
    channel = state.overrides.get(device)
    if channel is None:  # a repeated command whose override has been cleared since
        raise NotFound("unknown_override", f"device {device!r} has no override in app {state.app!r}")
    return OverrideChanged(
        app=state.app, revision=state.revision, changed=committed.changed, device=device, channel=channel
    )


async def handle_clear_override(call: Call[None]) -> OverrideCleared:
    device = parse_device_id(call.part("device"))
    committed = await commit(call, call.app, ClearOverride(device=device))
    state = committed.state
    return OverrideCleared(app=state.app, revision=state.revision, changed=committed.changed, device=device)


def _check_withheld(call: Call[None], state: AppState, device: str, version: str) -> None:
    if failure_of(call.ports.facts.facts_of(state.app, device), name_hash(version)) is None:
        raise NotFound("not_withheld", f"bundle {version!r} is not withheld from device {device!r}")


def _names(names: Iterable[str]) -> Mapping[int, str]:
    return {name_hash(name): name for name in names}


OPERATIONS = (
    Operation(
        name="list_devices",
        method="GET",
        path="/v1/apps/{app}/devices",
        summary="List and find the devices that reported to this node",
        permission=Permission.LOOK_UP_DEVICES,
        handle=handle_list,
        answer=DeviceList,
        query=("id_prefix", "custom_id", "runs", WITHIN, "limit", "after"),
        refusals=(503,),
    ),
    Operation(
        name="show_device",
        method="GET",
        path="/v1/apps/{app}/devices/{device}",
        summary="Show a device's facts and its override",
        permission=Permission.LOOK_UP_DEVICES,
        handle=handle_show,
        answer=DeviceView,
    ),
    Operation(
        name="lift_withheld",
        method="DELETE",
        path="/v1/apps/{app}/devices/{device}/withheld/{version}",
        summary="Offer a withheld bundle to a device again",
        permission=Permission.LIFT_DEVICES,
        handle=handle_lift,
        answer=WithheldLifted,
    ),
    Operation(
        name="lift_withheld_from_all",
        method="DELETE",
        path="/v1/apps/{app}/withheld/{version}",
        summary="Offer a bundle again to all devices from which it was withheld",
        permission=Permission.LIFT_DEVICES,
        handle=handle_lift_all,
        answer=WithheldLiftedFromAll,
        query=(WITHIN, DRY_RUN),
    ),
    Operation(
        name="erase_device",
        method="DELETE",
        path="/v1/apps/{app}/devices/{device}",
        summary="Erase a device's facts",
        permission=Permission.ERASE_DEVICES,
        handle=handle_erase,
        answer=DeviceErased,
    ),
    Operation(
        name="list_overrides",
        method="GET",
        path="/v1/apps/{app}/overrides",
        summary="List the overrides by device id",
        permission=Permission.LOOK_UP_DEVICES,
        handle=handle_list_overrides,
        answer=list[OverrideView],
    ),
    Operation(
        name="set_override",
        method="PUT",
        path="/v1/apps/{app}/overrides/{device}",
        summary="Put a device on a channel",
        permission=Permission.LIFT_DEVICES,
        handle=handle_set_override,
        answer=OverrideChanged,
        body=OverrideRequest,
        changes=True,
    ),
    Operation(
        name="clear_override",
        method="DELETE",
        path="/v1/apps/{app}/overrides/{device}",
        summary="Clear a device's override: the ordinary rules apply to it again",
        permission=Permission.LIFT_DEVICES,
        handle=handle_clear_override,
        answer=OverrideCleared,
        changes=True,
    ),
)
