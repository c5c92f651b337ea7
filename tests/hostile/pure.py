"""The same bodies through the parsers alone: no sockets, several times as many a second."""

import json
import os
import time
from collections import Counter
from collections.abc import Callable

from edge.domain.decision.outcomes import UpToDate
from edge.domain.model import AppId, ChannelName
from edge.wire.answers import encode_answer
from edge.wire.app_events import encode_app_answer, parse_app_report
from edge.wire.body import WireError
from edge.wire.channels import parse_channel_request
from edge.wire.manifest_size import encode_manifest_size, parse_manifest_size
from edge.wire.ofrep.context import check_of, parse_context
from edge.wire.ofrep.refusals import OfrepRefused
from edge.wire.push.registrations import encode_push_answer, parse_push_register
from edge.wire.stats import encode_stats_answer, parse_stats
from edge.wire.updates import parse_update_check
from tests.hostile.cases import Case
from tests.hostile.drill import DIGEST, WARM_UP, memory_mb
from tests.hostile.mutations import build_case

BODY_KINDS = (0, 3, 5, 9, 10, 11, 12, 17, 18, 19)  # of the seeds: every route that reads a body
GROWTH_LIMIT_MB = 24
STATUSES = {200, 400, 413}

NOTHING_NEW = UpToDate(ChannelName("production"))


def run_pure(count: int, seed: int, *, first: int = 0) -> tuple[list[str], float, Counter[str], float]:
    """Faults, seconds, outcomes, and how many MB the process grew after the first cases."""
    faults: list[str] = []
    outcomes: Counter[str] = Counter()
    started = time.monotonic()
    first_mb = 0.0
    for index in range(first, first + count):
        if index == first + WARM_UP:
            first_mb = memory_mb(os.getpid())
        case = build_case(seed, index, BODY_KINDS, DIGEST)
        if not case.framed:
            continue
        try:
            outcomes[f"{case.route} {_parse(case)}"] += 1
        except Exception as error:
            faults.append(f"case {index} ({case.kind}): {error!r}")
    seconds = time.monotonic() - started
    held_mb = memory_mb(os.getpid()) - first_mb if count > WARM_UP else 0.0
    if held_mb > GROWTH_LIMIT_MB:
        faults.append(f"{held_mb:.1f} MB more are held after the run")
    return faults, seconds, outcomes, held_mb


def _parse(case: Case) -> str:
    """The outcome's name. Raises what must not be raised, AssertionError for an answer that must not be."""
    body = case.pieces[0].partition(b"\r\n\r\n")[2]
    try:
        answer = PARSERS[case.route](body)
    except WireError as error:
        assert error.status in STATUSES, error.status
        said = json.loads(error.body)
        assert isinstance(said["error"], str) and isinstance(said["message"], str)
        return said["error"]
    assert isinstance(json.loads(answer), dict)
    return "parsed"


def _check(body: bytes) -> bytes:
    return encode_answer(NOTHING_NEW, parse_update_check(body), "http://x")


def _report(body: bytes) -> bytes:
    return encode_stats_answer(parse_stats(body))


def _choice(body: bytes) -> bytes:
    for method in ("POST", "PUT", "DELETE"):
        parse_channel_request(method, body, [])
    return b"{}"


def _sizes(body: bytes) -> bytes:
    return encode_manifest_size(parse_manifest_size(body), lambda app, digest: 1)


def _used(body: bytes) -> bytes:
    return encode_app_answer(parse_app_report(body))


def _features(body: bytes) -> bytes:
    try:
        check_of(AppId("com.example.hostile"), parse_context(body))
    except OfrepRefused as refused:
        assert refused.status in STATUSES, refused.status
        return refused.body
    return b"{}"


def _push(body: bytes) -> bytes:
    return encode_push_answer(parse_push_register(body))


PARSERS: dict[str, Callable[[bytes], bytes]] = {
    "/updates": _check,
    "/updates/manifest_size": _sizes,
    "/stats": _report,
    "/channel_self": _choice,
    "/events": _used,
    "/push/register": _push,
    "/features": _features,
}
