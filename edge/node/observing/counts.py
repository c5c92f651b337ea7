"""What a worker counts, by kind. A kind is one family of metrics, and its keys are the values of that family's label.

Labels are our own words, never a device's, an app's or an address's: their number has an end.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec

from edge.domain.forms.observed import NOTHING_OBSERVED, LinkCounts
from edge.store.damage import Damage


class RequestCount(msgspec.Struct, frozen=True):
    """Answers of one route with one class of status, such as "2xx"."""

    route: str
    status: str
    n: int


class Gauges(msgspec.Struct, frozen=True, kw_only=True):
    """The current state of a worker; `overloaded` is 0 or 1."""

    connections: int
    in_progress: int
    downloads: int
    overloaded: int
    lost_blobs: int
    unserved_apps: int
    loaded_apps: int
    unread_apps: int


class WorkerCounts(msgspec.Struct, frozen=True, kw_only=True):
    """Of one worker since it started, as it goes to the supervisor. What never happened may be missing."""

    decisions: dict[str, int] = {}  # checks, by the code of their outcome
    events: dict[str, int] = {}  # of devices, by what became of them
    refused_events: dict[str, int] = {}  # those that could not be stored, by the code of why
    app_events: dict[str, int] = {}  # of apps' own code, by what became of them
    features: dict[str, int] = {}  # requests for features, by what became of them
    push: dict[str, int] = {}  # of devices that take messages, by act or by why it was refused
    withheld: dict[str, int] = {}  # bundles, by what the device reported
    over_limit: dict[str, int] = {}  # what devices said about themselves and was not recorded, by kind
    shed: dict[str, int] = {}  # answered with less than requested
    closed: dict[str, int] = {}  # connections, by the limit that closed or refused them
    requests: list[RequestCount] = []
    sent_bytes: dict[str, int] = {}  # by route
    others: dict[str, int] = {}  # by their own names
    damaged: dict[str, int] = {}  # what of known apps cannot be served now, by its grain
    gauges: Gauges | None = None
    links: LinkCounts = NOTHING_OBSERVED  # of large downloads; not shown by name

    def by_name(self) -> dict[str, int]:
        """All of them under one name each, as `GET /v1/node` shows them."""
        return {
            **self.decisions,
            **{_EVENT_NAMES[outcome]: n for outcome, n in self.events.items()},
            **{f"events_refused_{code}": n for code, n in self.refused_events.items()},
            **{f"app_events_{outcome}": n for outcome, n in self.app_events.items()},
            **{f"features_{outcome}": n for outcome, n in self.features.items()},
            **{f"push_{outcome}": n for outcome, n in self.push.items()},
            **{f"withheld/{cause}": n for cause, n in self.withheld.items()},
            **{f"{kind}_over_limit": n for kind, n in self.over_limit.items()},
            **{_SHED_NAMES[what]: n for what, n in self.shed.items()},
            **{_CLOSED_NAMES[why]: n for why, n in self.closed.items()},
            **{f"requests/{each.route}/{each.status}": each.n for each in self.requests},
            **{f"sent_bytes/{route}": n for route, n in self.sent_bytes.items()},
            **self.others,
            **{f"damaged/{grain}": n for grain, n in self.damaged.items()},
            **(msgspec.structs.asdict(self.gauges) if self.gauges else {}),
        }


class WorkerStatus(NamedTuple):
    """A worker as its supervisor sees it; one that does not answer is not ready and has counted nothing. `damaged` is
    what it cannot serve, or the first part of it."""

    pid: int | None
    ready: bool
    restarts: int
    apps: int
    counts: WorkerCounts
    damaged: Sequence[Damage] = ()


class ServiceCounts:
    """What the device service of a worker counts, by kind as in `WorkerCounts`."""

    __slots__ = (
        "_decisions",
        "app_events",
        "events",
        "features",
        "fold",
        "others",
        "over_limit",
        "push",
        "refused_events",
        "shed",
        "withheld",
    )

    def __init__(self) -> None:
        self._decisions: Counter[str] = Counter()
        self.fold: Callable[[], None] = _nothing_to_fold  # adds the decisions that are counted elsewhere
        self.events: Counter[str] = Counter()
        self.refused_events: Counter[str] = Counter()
        self.app_events: Counter[str] = Counter()
        self.features: Counter[str] = Counter()
        self.push: Counter[str] = Counter()
        self.withheld: Counter[str] = Counter()
        self.over_limit: Counter[str] = Counter()
        self.shed: Counter[str] = Counter()
        self.others: Counter[str] = Counter()

    @property
    def decisions(self) -> Counter[str]:
        self.fold()
        return self._decisions


def _nothing_to_fold() -> None:
    pass


_EVENT_NAMES = {
    "stored": "events",
    "over_limit": "events_over_limit",
    "refused": "events_refused",
    "unknown_app": "events_of_unknown_apps",
}
_SHED_NAMES = {
    "checks": "checks_shed",
    "unserved_checks": "checks_unserved",
    "unserved_requests": "requests_unserved",
    "unloaded_checks": "checks_unloaded",
    "unloaded_requests": "requests_unloaded",
    "downloads": "downloads_shed",
    "downloads_over_limit": "downloads_over_limit",
}
_CLOSED_NAMES = {
    "address_limit": "connections_refused",
    "worker_limit": "connections_full",
    "slow_head": "slow_heads",
    "slow_body": "slow_bodies",
    "unread": "unread_answers",
    "unread_limit": "unread_over_limit",
    "slow_handshake": "slow_handshakes",
    "bad_tls": "bad_tls",
    "long_head": "long_heads",
    "malformed": "malformed_requests",
}
