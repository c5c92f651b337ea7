"""The messages between the supervisor and its folding process, framed as those of workers (`node.processes.link`)."""

import msgspec

from edge.assembly.children.child_messages import Ask, AskAnswered, Beat, Declined
from edge.config import Log, Telemetry
from edge.domain.behaviour.judging import JudgedSegments
from edge.domain.comparing.running import RunningExperiment
from edge.domain.guarding.evidence import Evidence
from edge.domain.guarding.reported import ReportedUntil
from edge.domain.guarding.watch import Watch


class FoldingSetup(msgspec.Struct, frozen=True, tag=True):
    """The first message to the process: all that it needs. `data_dir` is absolute."""

    data_dir: str
    node: str
    region: str
    telemetry: Telemetry
    log: Log


class Named(msgspec.Struct, frozen=True, tag=True):
    """The names of an app's bundles, sorted; None for an app that this node does not have. `judged` are its segments
    that read how devices are used, `watches` its releases under guard, None if they cannot be known now, `experiments`
    those that run."""

    number: int
    names: list[str] | None
    judged: JudgedSegments = JudgedSegments()
    watches: tuple[Watch, ...] | None = ()
    experiments: tuple[RunningExperiment, ...] = ()


class Name(msgspec.Struct, frozen=True, tag=True):
    """Reply `Named` with this number; with `watches_alone`, without names, which may be many."""

    number: int
    app: str
    watches_alone: bool = False


class WantNotes(msgspec.Struct, frozen=True, tag=True):
    """Have the workers store what they noted; reply `NotesTold` with this number when they have, or do not answer."""

    number: int


class NotesTold(msgspec.Struct, frozen=True, tag=True):
    """What workers noted until the question came is in the spool, and of `nodes` what each says."""

    number: int
    nodes: tuple[ReportedUntil, ...] = ()


class Guarding(msgspec.Struct, frozen=True, tag=True):
    """Whether this node has a release under guard whose guard may act: if so, count now, and often from then on."""

    acts: bool


class SinkSeen(msgspec.Struct, frozen=True):
    """What ClickHouse gets, in rows since the beginning. `failing` is why nothing can be sent now, "" if it can."""

    sent: int = 0
    dropped: int = 0
    lost: int = 0
    waiting: int = 0
    waiting_bytes: int = 0
    erasures: int = 0
    failing: str = ""


class FoldCondition(msgspec.Struct, frozen=True, tag=True):
    """Sent after each fold. `folded_at` is when events were last counted, in seconds since the epoch; `set_aside` is
    how often the counts were damaged since the process started; `unreadable` is how many segments the last fold could
    not read; `totals` are those of `read_totals`; `clickhouse` is None where none is configured; `erasures` is
    how many devices are being erased; `behaviour_evicted` and `behaviour_failures` are of the table of behaviour, since
    the process started; `unwatched` releases under guard are beyond how many a node counts. `failing` is why the last
    fold failed, "" if it did not."""

    folded_at: float
    set_aside: int
    unreadable: int
    totals: dict[str, int]
    clickhouse: SinkSeen | None = None
    erasures: int = 0
    behaviour_evicted: int = 0
    behaviour_failures: int = 0
    unwatched: int = 0
    failing: str = ""


class GuardFound(msgspec.Struct, frozen=True, tag=True):
    """What is known of a release under guard, once it says more than to wait. Sent after the fold that found it, and
    again after each later one and at a start, until its watch is over: whoever acts on it does so once."""

    evidence: Evidence


ToFolding = FoldingSetup | Ask | Named | NotesTold | Guarding
FromFolding = Name | WantNotes | AskAnswered | Declined | FoldCondition | GuardFound | Beat
