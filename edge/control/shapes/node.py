"""Answers about the node itself, and about those that report to it."""

from typing import Any

import msgspec

from edge.control.shapes.common import AnswerBody, DamageView
from edge.regions.fleet.judging_nodes import NodeHealth, judge_node
from edge.regions.fleet.node_report import NodeReport
from edge.regions.fleet.node_row import NodeRow


class WorkerView(AnswerBody, frozen=True, kw_only=True):
    """A worker process: `pid` is null while it restarts, `restarts` is since the node started, `apps` is how many it
    serves, `counts` are its counters by name."""

    pid: int | None
    ready: bool
    restarts: int
    apps: int
    counts: dict[str, Any]


class HeadView(AnswerBody, frozen=True, kw_only=True):
    """An app's latest revision and the digest of its document."""

    revision: int
    digest: str


class GuardConditionView(AnswerBody, frozen=True, kw_only=True):
    """`watched` releases go on under guard. `blind` is why the guard sees nothing of them (counting stands still),
    empty if it does; `blocked` is how many of its findings could not be acted on yet."""

    watched: int = 0
    blocked: int = 0
    blind: str = ""


class DiskView(AnswerBody, frozen=True, kw_only=True):
    """The file system of the data directory, and how much of it events take that wait or are kept. `short`: something
    is refused for lack of room."""

    free_bytes: int = 0
    total_bytes: int = 0
    spool_bytes: int = 0
    spool_limit_bytes: int = 0
    short: bool = False


class CountingView(AnswerBody, frozen=True, kw_only=True):
    """The process that counts events: whether it does, when it last did (seconds since the epoch), how many events in
    all, and how often the process was started again."""

    up: bool = True
    folded_at: float = 0.0
    events: int = 0
    restarts: int = 0


class SendingConditionView(AnswerBody, frozen=True, kw_only=True):
    """The process that sends messages: `failing` is why they wait. `halted` are the credentials that a provider
    refuses, `unreadable` those whose sealing key is not here, both as `APP PROVIDER`; `keys` is what is wrong with the
    file of these keys, empty if nothing is."""

    up: bool
    active: int
    halted: list[str]
    unreadable: list[str]
    failing: str = ""
    keys: str = ""


class NodeStatus(AnswerBody, frozen=True, kw_only=True):
    """`heads` are by app id. `refused` is about documents of the store that this node did not accept: how many, by
    error code, and what is wrong with a head shard, the `keys` or the `tokens` now, by name. `damaged` is what workers
    cannot serve, the first hundred of each; their counts have how many. `guard` is of all apps. `devices_url` is where
    devices reach the node. `sending` is null at nodes that send no messages. `at` is its clock, and `certificate_ends`
    when the devices' certificate does, null without TLS; both in seconds since the epoch."""

    version: str
    apps: int
    workers: list[WorkerView]
    heads: dict[str, HeadView]
    refused: dict[str, int | str]
    damaged: list[DamageView]
    guard: GuardConditionView = GuardConditionView()
    devices_url: str = ""
    region: str = ""
    at: float = 0.0
    certificate_ends: float | None = None
    disk: DiskView = DiskView()
    counting: CountingView = CountingView()
    sending: SendingConditionView | None = None


class NodeView(AnswerBody, frozen=True, kw_only=True):
    """A node as it was when it last reported: `report` is that report, null for one that did not since this node
    started. `heard` and `since` (its first report) are by this node's clock, in seconds since the epoch. `behind` are
    changes that it lacked, `behind_seconds` since when this node has the first of them. `sentence` says what needs a
    look."""

    node: str
    name: str
    region: str
    own: bool
    since: float
    heard: float | None
    heard_seconds: float | None
    condition: NodeHealth
    sentence: str
    behind: int
    behind_seconds: float
    report: NodeReport | None


class NodeForgotten(AnswerBody, frozen=True, kw_only=True):
    node: str
    name: str
    forgotten: bool


def view_node(row: NodeRow, now: float) -> NodeView:
    condition, sentence = judge_node(row, now)
    return NodeView(
        **msgspec.structs.asdict(row.known),
        own=row.own,
        heard=row.heard,
        heard_seconds=max(0.0, now - row.heard) if row.heard is not None else None,
        condition=condition,
        sentence=sentence,
        behind=row.behind,
        behind_seconds=row.behind_seconds,
        report=row.report,
    )
