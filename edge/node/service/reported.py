"""Turns a device's events about bundles that fail on it, or work after all, into changes of its facts.

The writer decides what follows from them (`domain.attempts`); this module adds what only the event and the snapshot
know.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from edge.domain.decision.decide import decide
from edge.domain.decision.outcomes import UpToDate
from edge.domain.decision.snapshot import AppSnapshot
from edge.domain.facts import CAUSES, STARTS, Cause, DeviceFacts, failure_of, has_downloaded, last_offered, name_hash
from edge.domain.forms.manifest_forms import sent_to
from edge.domain.model import BUILTIN, DeviceId, Platform
from edge.domain.plugin import Sent
from edge.domain.schedule.rollout import Moment
from edge.facts.changes import Downloaded, Failed, Installed
from edge.node.service.peers import Peer
from edge.telemetry.devices.known_devices import check_of
from edge.wire.stats import Event, bundle_of

INSTALLED = frozenset({"set", "set_next"})  # of the bundle that the event names
DOWNLOADED = INSTALLED | {"download_complete"}
ABOUT_FACTS = DOWNLOADED | CAUSES.keys()  # no other event can change what is known of a device


class EventChange(NamedTuple):
    """A change of a device's facts, with the event that reported it."""

    event: Event
    change: Failed | Installed


def reported_in(
    events: Sequence[Event],
    snapshot: AppSnapshot,
    facts_of: Callable[[str, str], DeviceFacts],
    moment: Moment,
    peer: Peer,
) -> tuple[list[Downloaded], list[EventChange]]:
    """`downloads_in` and `changes_in` at once, on any thread."""
    downloads = list(downloads_in(events, snapshot, facts_of))
    return downloads, list(changes_in(events, snapshot, facts_of, moment, peer))


def changes_in(
    events: Sequence[Event],
    snapshot: AppSnapshot,
    facts_of: Callable[[str, str], DeviceFacts],
    moment: Moment,
    peer: Peer,
) -> Iterator[EventChange]:
    """In the order of `events`, which are one report and all of the snapshot's app; `facts_of` looks up a device."""
    newest_ms = _newest_ms(events)
    for event in events:
        cause = CAUSES.get(event.action)
        if cause is None and event.action not in INSTALLED:
            continue
        facts = facts_of(event.app, event.device)
        version = _named(event)
        if cause is None:
            failure = failure_of(facts, name_hash(version))
            if failure is not None and failure.cause not in STARTS:
                yield EventChange(event, Installed(event.app, event.device, version))
        elif not _is_void(event, version, cause, snapshot, facts, moment, peer):
            at_ms = event.device_time_ms
            age = 0.0 if at_ms is None else (newest_ms[event.device] - at_ms) / 1000
            dead = _is_dead(event, cause, snapshot, facts)
            failed = Failed(event.app, event.device, version, event.action, age, dead, peer.prefix)
            yield EventChange(event, failed)


def downloads_in(
    events: Sequence[Event], snapshot: AppSnapshot, facts_of: Callable[[str, str], DeviceFacts]
) -> Iterator[Downloaded]:
    """Bundles that the devices have by now, if the table does not have that yet. Their offers may still wait in a
    batch, so the writer decides whether the bundle was offered at all.
    """
    for event in events:
        if event.action in DOWNLOADED:
            version = _named(event)
            bundle = name_hash(version)
            if bundle in snapshot.offered_by_hash and not has_downloaded(facts_of(event.app, event.device), bundle):
                yield Downloaded(event.app, event.device, version)


def _newest_ms(events: Sequence[Event]) -> dict[DeviceId, int]:
    """Per device, when it recorded the newest of its events, by its own clock in milliseconds. That event counts as of
    now and the others as older by the difference, so no clock has to be right.
    """
    newest: dict[DeviceId, int] = {}
    for event in events:
        if event.device_time_ms is not None:
            newest[event.device] = max(newest.get(event.device, 0), event.device_time_ms)
    return newest


def _named(event: Event) -> str:
    """The version that the event names, as in a check: builtin is the native version."""
    version = bundle_of(event.version)
    return event.native if version == BUILTIN else version


def _is_void(
    event: Event,
    version: str,
    cause: Cause,
    snapshot: AppSnapshot,
    facts: DeviceFacts,
    moment: Moment,
    peer: Peer,
) -> bool:
    """Whether the event cannot be about a download: a check that got no answer also reports `download_fail` with the
    running version, and a device that gets "nothing new" has no download in progress."""
    if cause in STARTS:
        return not version
    names_running = event.action == "download_fail" and event.platform != Platform.ELECTRON.value
    if not names_running or not version or name_hash(version) == last_offered(facts):
        return False
    check = check_of(event)
    if check is None:
        return False
    return type(decide(snapshot, check._replace(country=peer.country), moment, facts)) is UpToDate


def _is_dead(event: Event, cause: Cause, snapshot: AppSnapshot, facts: DeviceFacts) -> bool:
    """Whether the device can never install this version name: iOS keeps a failed manifest as an error (§1.8)."""
    if event.platform != Platform.IOS.value:
        return False
    if cause.word.startswith("download_manifest") or cause is Cause.MANIFEST_PATH_FAIL:
        return True
    bundle = snapshot.offered_by_hash.get(last_offered(facts))
    check = check_of(event)
    if bundle is None or check is None:
        return False
    # Its zip may have failed, if a channel sends that to such devices: then it tries again.
    forms = snapshot.forms_by_hash.get(last_offered(facts), ()) or (None,)
    return all(sent_to(bundle, each, check) is not Sent.ZIP for each in forms)
