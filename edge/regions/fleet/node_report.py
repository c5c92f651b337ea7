"""What a node says of itself to the node above it, every few seconds, and what it is answered.

Every time in a report is an age in seconds: a node whose clock is wrong still tells how old something is. What a newer
release adds is skipped by an older one, and what an older one does not say has its default, so releases mix.
"""

from typing import Annotated

import msgspec

NODE_REPORT_LIMIT_BYTES = 16 * 1024  # a full one has some 2 kB
WORDS_LIMIT = 256  # characters of an address or of a reason
REFUSED_KINDS_LIMIT = 32  # error codes of one report: the store has a dozen
SECONDS_LIMIT = 1e10  # three centuries
CLOCK_LIMIT = 253_402_300_799.0  # the end of the year 9999, the last that calendars can show

Text = Annotated[str, msgspec.Meta(max_length=WORDS_LIMIT)]
RegionName = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_.-]{0,64}$(?!\n)")]
CodeName = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9_]{1,64}$(?!\n)")]
Natural = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]
Seconds = Annotated[float, msgspec.Meta(ge=0, le=SECONDS_LIMIT)]
Rate = Annotated[float, msgspec.Meta(ge=0, le=1e9)]


class SourceReport(msgspec.Struct, frozen=True, kw_only=True):
    """How a node stands to what it follows. `verified_seconds` is the age of the oldest of its verified heads by the
    signer's clock, `looked_seconds` of its last look, `unreachable_seconds` since when it gets no answer, `why` the
    last reason."""

    name: Text = ""
    verified_seconds: Seconds | None = None
    looked_seconds: Seconds | None = None
    unreachable_seconds: Seconds | None = None
    why: Text = ""
    waiting_blobs: Natural = 0
    mirrored_bytes: Natural = 0


class NodeReport(msgspec.Struct, frozen=True, kw_only=True):
    """`changes` is the sum of all apps' revisions that the node serves: it rises by one with each change of any app.
    `clock` is the node's, in seconds since the epoch. `stale`: it offers no new updates, since its heads are too old.
    `refused` counts what it did not accept of its source, by error code, since it started. `unsent_bytes` wait to be
    sent home. `source` is null on a node that holds the truth. `start` is random, of the process that reports."""

    region: RegionName = ""
    role: Annotated[str, msgspec.Meta(pattern=r"^[a-z]{1,16}$(?!\n)")] = "standalone"
    location: Text = ""
    version: Text = ""
    python: Text = ""
    clock: Annotated[float, msgspec.Meta(ge=0, le=CLOCK_LIMIT)] = 0.0
    running_seconds: Seconds = 0.0
    apps: Natural = 0
    changes: Natural = 0
    source: SourceReport | None = None
    stale: bool = False
    refused: Annotated[dict[CodeName, Natural], msgspec.Meta(max_length=REFUSED_KINDS_LIMIT)] = {}
    damaged: Natural = 0
    workers: Natural = 0
    workers_ready: Natural = 0
    checks_per_second: Rate = 0.0
    load: Rate = 0.0
    cores: Natural = 0
    disk_free_bytes: Natural = 0
    disk_total_bytes: Natural = 0
    disk_short: bool = False
    unsent_bytes: Natural = 0
    devices_url: Text = ""
    certificate_seconds: Annotated[float, msgspec.Meta(ge=-SECONDS_LIMIT, le=SECONDS_LIMIT)] | None = None
    start: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{0,32}$")] = ""


class NodeWelcome(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a report. `name` is what people call the node: its token's name. `net_key` is the key by which
    networks are numbered, the same on every node, so that a network counts once. `trouble`: what home sees of the node
    that it cannot see itself, for people; "" is nothing."""

    name: str = ""
    net_key: str = ""
    trouble: str = ""
