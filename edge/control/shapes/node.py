"""What the control API answers about the node itself."""

from typing import Any

from edge.control.shapes.common import AnswerBody


class WorkerView(AnswerBody, frozen=True, kw_only=True):
    """A worker process: `restarts` since the node started, `apps` that it serves, and its `counts` by name."""

    pid: int | None
    ready: bool
    restarts: int
    apps: int
    counts: dict[str, Any]


class HeadView(AnswerBody, frozen=True, kw_only=True):
    """An app's latest revision and the digest of its document."""

    revision: int
    digest: str


class NodeStatus(AnswerBody, frozen=True, kw_only=True):
    """`heads` are by app id. `refused` holds documents of the store that were not accepted: counts by error code, and
    what is wrong with a head shard now, by the shard's name."""

    version: str
    apps: int
    workers: list[WorkerView]
    heads: dict[str, HeadView]
    refused: dict[str, int | str]
