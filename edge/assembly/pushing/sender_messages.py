"""The messages between the supervisor and the process that sends messages to devices, framed as those of workers.

Questions and answers are those of every such process.
"""

import msgspec

from edge.assembly.children.child_messages import Ask, AskAnswered, Beat, Declined
from edge.config import Log, PushOptions
from edge.domain.model import AppId
from edge.domain.targeting.places import NO_PLACE, NodePlace
from edge.store.releases import Head


class SenderSetup(msgspec.Struct, frozen=True, tag=True):
    """The first message to the process: all that it needs. `data_dir` is absolute."""

    data_dir: str
    node: str
    log: Log
    push: PushOptions
    spool_limit_bytes: int
    facts_table: str
    place: NodePlace = NO_PLACE


class SenderHeads(msgspec.Struct, frozen=True, tag=True):
    """All apps, as they are now."""

    heads: dict[AppId, Head]


class SenderTold(msgspec.Struct, frozen=True, tag=True):
    """Something that people are to be told."""

    kind: str
    app: str
    title: str
    text: str


class SenderCondition(msgspec.Struct, frozen=True, tag=True):
    """Sent every some seconds. `halted` credentials as `APP PROVIDER`; `failing` is why the last look failed."""

    active: int
    halted: list[str]
    failing: str = ""


class WantCredentials(msgspec.Struct, frozen=True, tag=True):
    """Reply `GivenCredentials` with this number."""

    number: int
    app: str


class GivenCredentials(msgspec.Struct, frozen=True, tag=True):
    """An app's credentials by provider, as they are sealed; opened. `faults`: why those of others cannot be opened;
    `error`: why none can be had now, or ""."""

    number: int
    of: dict[str, bytes]
    faults: dict[str, str]
    error: str = ""


class WantTurn(msgspec.Struct, frozen=True, tag=True):
    """Move a message's mark in the store for this outbox. Reply `GivenTurn` with this number."""

    number: int
    app: str
    message: str
    outbox: str
    turn: int


class GivenTurn(msgspec.Struct, frozen=True, tag=True):
    """`taken` False: another outbox sends it. `error`: why nobody knows, or ""."""

    number: int
    taken: bool
    error: str = ""


ToSender = SenderSetup | SenderHeads | Ask | GivenCredentials | GivenTurn
FromSender = Beat | AskAnswered | Declined | SenderTold | SenderCondition | WantCredentials | WantTurn
