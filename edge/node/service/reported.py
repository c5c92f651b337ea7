"""What in a device's events is about a bundle that fails on it, or works after all: to changes of its facts.

The writer decides what they come to (`domain.attempts`); here is what only the event and the snapshot know.
"""

from collections.abc import Callable, Iterator, Sequence

from edge.domain.decision.decide import decide
from edge.domain.decision.outcomes import UpToDate
from edge.domain.decision.snapshot import AppSnapshot
from edge.domain.facts import CAUSES, STARTS, Cause, DeviceFacts, failure_of, has_downloaded, last_offered, name_hash
from edge.domain.manifest_forms import sent_as
from edge.domain.model import BUILTIN, DeviceId, Platform
from edge.domain.plugin import Sent
from edge.domain.schedule.rollout import Moment
from edge.facts.changes import Downloaded, Failed, Installed
from edge.node.service.peers import Peer
from edge.telemetry.known_devices import check_of
from edge.wire.stats import Event, bundle_of

INSTALLED = frozenset({"set", "set_next"})  # of the bundle that the event names
DOWNLOADED = INSTALLED | {"download_complete"}

Dated = tuple[Event, Failed | Installed]


def changes_in(
    events: Sequence[Event],
    snapshot: AppSnapshot,
    facts_of: Callable[[str, str], DeviceFacts],
    moment: Moment,
    peer: Peer,
) -> Iterator[Dated]:
    """Each with its event. All events are of the snapshot's app, in one report; `facts_of` looks up what is known of a
    device.
    """
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
                yield event, Installed(event.app, event.device, version)
        elif not _is_void(event, version, cause, snapshot, facts, moment, peer):
            at_ms = event.device_time_ms
            age = 0.0 if at_ms is None else (newest_ms[event.device] - at_ms) / 1000
            dead = _is_dead(event, cause, snapshot, facts)
            yield event, Failed(event.app, event.device, version, event.action, age, dead, peer.prefix)


def downloads_in(
    events: Sequence[Event], snapshot: AppSnapshot, facts_of: Callable[[str, str], DeviceFacts]
) -> Iterator[Downloaded]:
    """What the devices have by now, where the table does not say so yet. Their offers may still wait to be noted, so
    the writer decides whether it was offered at all.
    """
    for event in events:
        if event.action in DOWNLOADED:
            version = _named(event)
            bundle = name_hash(version)
            if bundle in snapshot.offered_by_hash and not has_downloaded(facts_of(event.app, event.device), bundle):
                yield Downloaded(event.app, event.device, version)


def _newest_ms(events: Sequence[Event]) -> dict[DeviceId, int]:
    """By each device's clock, when it wrote down the newest of its events here. That one counts as of now, the others
    as older by the difference: no clock need be right.
    """
    newest: dict[DeviceId, int] = {}
    for event in events:
        if event.device_time_ms is not None:
            newest[event.device] = max(newest.get(event.device, 0), event.device_time_ms)
    return newest


def _named(event: Event) -> str:
    """The version that the event names, as a check would: builtin is the native version."""
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
    """Whether the event can be about no download: `download_fail` that names what runs is also what a check says that
    got no answer, and a device that is told nothing new has none under way."""
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
    """Whether the version's name is dead on the device: iOS keeps a failed manifest as an error (§1.8)."""
    if event.platform != Platform.IOS.value:
        return False
    if cause.word.startswith("download_manifest") or cause is Cause.MANIFEST_PATH_FAIL:
        return True
    bundle = snapshot.offered_by_hash.get(last_offered(facts))
    check = check_of(event)
    return bundle is not None and check is not None and sent_as(bundle, check.plugin.manifest) is not Sent.ZIP
