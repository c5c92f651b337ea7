"""A node's metrics for Prometheus: the workers' counts and the node's own state as families. Pure.

Label values are ours and bounded, never a device's, an app's or an address's. Counters are per worker: when one
restarts, only its own series starts at 0 again.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Literal, NamedTuple

from edge.facts.writer import FactsCondition
from edge.node.observing.counts import Gauges, WorkerCounts, WorkerStatus
from edge.node.observing.folding_metrics import FoldingSeen, build_folding_metrics
from edge.node.observing.guard_metrics import GuardSeen, build_guard_metrics
from edge.node.observing.message_metrics import MessagesSeen, build_message_metrics
from edge.wire.exposition import Family, Sample

Labelled = tuple[dict[str, str], float]  # a sample's labels, without the worker's, and its value


class BlobsSeen(NamedTuple):
    """What the node found out about its blobs. `scrubbed_at` is in seconds since the epoch, 0: never; `unscrubbed_apps`
    is how many apps scrubs cannot read now; the rest counts since the node started."""

    readings: int
    read_bytes: int
    damaged: Mapping[str, int]  # by fault
    healed: int
    scrubbed_at: float
    scrubbed: int
    scrubbed_bytes: int
    unscrubbed_apps: int = 0
    book_faults: int = 0


class StoreUpkeep(NamedTuple):
    """What was done about the store since the start. `last` is the last collection's time, 0.0 before the first."""

    blobs: int = 0
    bytes: int = 0
    failures: int = 0
    last: float = 0.0
    unpublished_bytes: int = 0
    uploads_refused: int = 0


class Observed(NamedTuple):
    """What the metrics of a node are made from. Times are in seconds since the epoch."""

    version: str
    now: float
    workers: list[WorkerStatus]
    apps: int
    heads_issued: Mapping[str, float]  # by shard
    heads_refused: Iterable[str]  # shards whose stored form is not trusted now
    refused: Mapping[str, int]  # stored documents by code
    unremembered: int  # what was seen of the store and could not be written to the node's own directory
    spool_bytes: int
    folded: int
    duplicates: int
    folded_at: float
    facts: FactsCondition
    failures_over_limit: int  # of all workers together
    facts_devices: Mapping[str, int]  # by what is known of them
    certificate_ends: float | None
    blobs: BlobsSeen
    disk_free_bytes: int
    disk_full: bool  # whether something is refused, or would be, for lack of room
    upkeep: StoreUpkeep = StoreUpkeep()
    set_aside: int = 0  # of the node's own files
    spool_faults: Mapping[str, int] = {}  # what was skipped, by kind
    spool_unreadable: int = 0  # segments, in the last fold
    counts_set_aside: int = 0  # since the start
    stale_shards: int = 0  # of which nothing new is offered
    job_failures: Mapping[str, int] = {}  # by job, since the start
    folding: FoldingSeen = FoldingSeen()
    guard: GuardSeen = GuardSeen()
    messages: MessagesSeen = MessagesSeen()


def build_metrics(seen: Observed) -> list[Family]:
    """In a fixed order."""
    return [
        Family("edge_build_info", "gauge", "The running release.", [Sample({"version": seen.version}, 1)]),
        *_workers(seen.workers),
        *_answers(seen.workers),
        *_node(seen),
        *_heads(seen),
        *_blobs(seen.blobs),
        *_upkeep(seen.upkeep),
        *build_folding_metrics(seen.folding),
        *build_guard_metrics(seen.guard),
        *build_message_metrics(seen.messages),
    ]


def _workers(workers: list[WorkerStatus]) -> list[Family]:
    def of(name: str, kind: Literal["counter", "gauge"], meaning: str, value: Callable[[WorkerStatus], int]) -> Family:
        return Family(name, kind, meaning, [Sample(_worker(n), float(value(each))) for n, each in enumerate(workers)])

    return [
        of("edge_worker_up", "gauge", "1 for a worker that serves and answers.", lambda each: each.ready),
        of("edge_worker_restarts_total", "counter", "How often a worker was restarted.", lambda each: each.restarts),
        of("edge_worker_apps", "gauge", "Apps that a worker serves.", lambda each: each.apps),
    ]


def _answers(workers: list[WorkerStatus]) -> list[Family]:
    def counter(name: str, meaning: str, of: Callable[[WorkerCounts], Iterable[Labelled]]) -> Family:
        return Family(f"edge_{name}_total", "counter", meaning, _samples(workers, of))

    withheld = "Bundles withheld from a device that reported failures of them, by what it reported."
    closed = "Connections closed or refused by a limit, and malformed ones."
    over = "What devices said about themselves and is not recorded: above a limit of their address or app."
    shed = "Answered with less than requested: overload, or a limit."
    return [
        counter("requests", "Answers by route and class of status.", _requests),
        counter("sent_bytes", "Bytes of whole answers, heads included.", lambda it: _by("route", it.sent_bytes)),
        counter("bundles_withheld", withheld, lambda it: _by("cause", it.withheld)),
        counter("decisions", "Checks by outcome, with the protocol's codes.", lambda it: _by("outcome", it.decisions)),
        counter("events", "Events of devices by outcome.", lambda it: _by("outcome", it.events)),
        counter("app_events", "Events of apps' own code by outcome.", lambda it: _by("outcome", it.app_events)),
        counter("feature_requests", "Requests for features by outcome.", lambda it: _by("outcome", it.features)),
        counter("push_requests", "Requests of devices about messages by outcome.", lambda it: _by("outcome", it.push)),
        counter("facts_over_limit", over, lambda it: _by("kind", it.over_limit)),
        counter("connections_closed", closed, lambda it: _by("why", it.closed)),
        counter("shed", shed, lambda it: _by("what", it.shed)),
        *_gauges(workers),
        counter("worker_counts", "Other counts of workers, by name.", _others),
    ]


def _gauges(workers: list[WorkerStatus]) -> list[Family]:
    """A worker that does not answer has none."""

    def gauge(name: str, meaning: str, value: Callable[[Gauges], int]) -> Family:
        def of(counts: WorkerCounts) -> Iterable[Labelled]:
            return [({}, value(counts.gauges))] if counts.gauges else []

        return Family(f"edge_{name}", "gauge", meaning, _samples(workers, of))

    unread = "Apps that a worker has not read since it started, or since they changed."
    damaged = "What of known apps a worker cannot serve now, by its grain."
    downloads = "Downloads among them that wait for the disk or for their device."
    lost = "Blobs that a release names and that are damaged, unreadable or missing on disk."
    unserved = "Known apps of which nothing can be served: their devices hear that there is nothing new."
    return [
        gauge("connections", "Connections of devices that are open.", lambda it: it.connections),
        gauge("requests_in_progress", "Requests between their head and their last byte.", lambda it: it.in_progress),
        gauge("downloads_in_progress", downloads, lambda it: it.downloads),
        gauge("overloaded", "1 while a worker sheds load.", lambda it: it.overloaded),
        gauge("lost_blobs", lost, lambda it: it.lost_blobs),
        gauge("apps_unserved", unserved, lambda it: it.unserved_apps),
        gauge("apps_loaded", "Apps that a worker holds in memory.", lambda it: it.loaded_apps),
        gauge("apps_unread", unread, lambda it: it.unread_apps),
        Family("edge_damaged", "gauge", damaged, _samples(workers, lambda it: _by("grain", it.damaged))),
    ]


def _requests(counts: WorkerCounts) -> Iterable[Labelled]:
    return (({"route": each.route, "status": each.status}, each.n) for each in counts.requests)


def _others(counts: WorkerCounts) -> Iterable[Labelled]:
    refused = {f"events_refused_{code}": n for code, n in counts.refused_events.items()}
    return _by("what", counts.others | refused)


def _node(seen: Observed) -> list[Family]:
    families = [
        _gauge("edge_apps", "Apps of this node.", seen.apps),
        _gauge("edge_spool_bytes", "Bytes of events on disk, including those already counted.", seen.spool_bytes),
        Family("edge_events_folded_total", "counter", "Events counted so far.", [Sample({}, seen.folded)]),
        Family(
            "edge_events_duplicate_total",
            "counter",
            "Events that were repeated within the hour and not counted again.",
            [Sample({}, seen.duplicates)],
        ),
        *_faults(seen),
        _gauge("edge_fold_age_seconds", "Seconds since events were last counted.", max(0.0, seen.now - seen.folded_at)),
        *_facts(seen),
        _gauge("edge_disk_free_bytes", "Bytes free where the node keeps its data.", seen.disk_free_bytes),
        _gauge("edge_disk_full", "1 while only what stops something is sure to be written.", seen.disk_full),
    ]
    if seen.certificate_ends is not None:
        meaning = "When the device port's certificate expires, in seconds since the epoch."
        families.append(_gauge("edge_certificate_ends_timestamp_seconds", meaning, seen.certificate_ends))
    return families


def _faults(seen: Observed) -> list[Family]:
    aside = "Times that the counts of events were damaged, set aside, and begun again."
    failures = "Faults of the node's own jobs, which begin again."
    skipped = "What was skipped of the events on disk, by kind: damaged places, torn ends, malformed records."
    unreadable = "Files of events that could not be read when events were last counted."
    kinds = [Sample({"kind": kind}, n) for kind, n in sorted(seen.spool_faults.items())]
    jobs = [Sample({"job": job}, n) for job, n in sorted(seen.job_failures.items())]
    return [
        Family("edge_spool_faults_total", "counter", skipped, kinds),
        _gauge("edge_spool_unreadable_files", unreadable, seen.spool_unreadable),
        Family("edge_counts_set_aside_total", "counter", aside, [Sample({}, seen.counts_set_aside)]),
        Family("edge_job_failures_total", "counter", failures, jobs),
    ]


def _upkeep(done: StoreUpkeep) -> list[Family]:
    def counter(name: str, meaning: str, n: int) -> Family:
        return Family(name, "counter", meaning, [Sample({}, n)])

    last = "When garbage was last collected, in seconds since the epoch."
    unpublished = "Bytes of uploads that no bundle refers to yet."
    return [
        counter("edge_collected_blobs_total", "Blobs deleted since nothing referred to them.", done.blobs),
        counter("edge_collected_bytes_total", "Bytes of those blobs.", done.bytes),
        counter("edge_collection_failures_total", "Collections of garbage that failed.", done.failures),
        _gauge("edge_collection_timestamp_seconds", last, done.last),
        _gauge("edge_uploads_unpublished_bytes", unpublished, done.unpublished_bytes),
        counter("edge_uploads_refused_total", "Uploads refused by the limit of a token.", done.uploads_refused),
    ]


def _facts(seen: Observed) -> list[Family]:
    facts = seen.facts

    def by_kind(name: str, kind: Literal["counter", "gauge"], meaning: str, counts: Mapping[str, int]) -> Family:
        return Family(name, kind, meaning, [Sample({"kind": each}, n) for each, n in sorted(counts.items())])

    def counter(name: str, meaning: str, n: int) -> Family:
        return Family(name, "counter", meaning, [Sample({}, n)])

    devices = "Devices in the table of device facts by what is known of them, estimated from a sample of its pages."
    failures = "Failures above the limit of an address or app for all workers together, which withhold nothing."
    compactions = "Compactions of the log of device facts that failed; it grows until one succeeds."
    damaged = "Records in the log of device facts that this start could not read: what they said is lost."
    growths = "Growths of the table of device facts that failed; it evicts at its present size until a restart."
    return [
        _gauge("edge_facts_pages", "Pages of 4 KiB in the table of device facts.", facts.pages),
        _gauge("edge_facts_pages_limit", "Pages that the table may grow to; then it evicts.", facts.pages_limit),
        by_kind("edge_facts_devices", "gauge", devices, seen.facts_devices),
        by_kind("edge_facts_evicted_total", "counter", "Devices evicted by what was known of them.", facts.evicted),
        counter("edge_node_failures_over_limit_total", failures, seen.failures_over_limit),
        counter("edge_facts_compaction_failures_total", compactions, facts.compaction_failures),
        counter("edge_facts_growth_failures_total", growths, facts.growth_failures),
        _gauge("edge_facts_damaged_slots", damaged, facts.damaged_slots),
    ]


def _heads(seen: Observed) -> list[Family]:
    refused = set(seen.heads_refused)
    ages = [Sample({"shard": name}, max(0.0, seen.now - at)) for name, at in sorted(seen.heads_issued.items())]
    return [
        Family("edge_heads_age_seconds", "gauge", "Age of the last verified signature of a head shard.", ages),
        _gauge(
            "edge_heads_stale",
            "Head shards whose apps are offered nothing new: their proof is too old.",
            seen.stale_shards,
        ),
        Family(
            "edge_heads_refused",
            "gauge",
            "1 for a head shard that is not trusted as it is stored now.",
            [Sample({"shard": name}, float(name in refused)) for name in sorted({*seen.heads_issued, *refused})],
        ),
        Family(
            "edge_documents_refused_total",
            "counter",
            "Stored documents that were not trusted.",
            [Sample({"code": code}, n) for code, n in sorted(seen.refused.items())],
        ),
        Family(
            "edge_unremembered_documents",
            "gauge",
            "What was seen of the store and could not be written to the node's own directory so far.",
            [Sample({}, seen.unremembered)],
        ),
        _gauge(
            "edge_set_aside_files", "Damaged files of the node that were renamed and are still there.", seen.set_aside
        ),
    ]


def _blobs(seen: BlobsSeen) -> list[Family]:
    def counter(name: str, meaning: str, *samples: Sample) -> Family:
        return Family(f"edge_{name}_total", "counter", meaning, list(samples))

    unreadable = "Apps whose latest revision the last scrub could not read: they cannot be changed."
    damaged = [Sample({"fault": fault}, n) for fault, n in sorted(seen.damaged.items())]
    return [
        counter("blob_readings", "Blobs read to prove them, scrubs aside.", Sample({}, seen.readings)),
        counter("blob_read_bytes", "Bytes of these readings.", Sample({}, seen.read_bytes)),
        counter("blobs_damaged", "Blobs found to be wrong, missing or unreadable.", *damaged),
        counter("blobs_healed", "Damaged blobs that became whole again.", Sample({}, seen.healed)),
        counter("blobs_scrubbed", "Blobs read by scrubs.", Sample({}, seen.scrubbed)),
        counter("scrubbed_bytes", "Bytes of these.", Sample({}, seen.scrubbed_bytes)),
        counter("proofs_dropped", "Damage in what the node keeps of its proofs.", Sample({}, seen.book_faults)),
        _gauge(
            "edge_scrub_completed_timestamp_seconds", "When the last whole scrub ended; 0: never.", seen.scrubbed_at
        ),
        _gauge("edge_scrub_unreadable_apps", unreadable, seen.unscrubbed_apps),
    ]


def _gauge(name: str, meaning: str, value: float) -> Family:
    return Family(name, "gauge", meaning, [Sample({}, value)])


def _samples(workers: list[WorkerStatus], of: Callable[[WorkerCounts], Iterable[Labelled]]) -> list[Sample]:
    return [
        Sample(_worker(n) | labels, value) for n, worker in enumerate(workers) for labels, value in of(worker.counts)
    ]


def _by(label: str, counts: Mapping[str, int]) -> Iterable[Labelled]:
    return (({label: key}, n) for key, n in sorted(counts.items()))


def _worker(number: int) -> dict[str, str]:
    return {"worker": str(number)}
