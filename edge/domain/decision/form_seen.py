"""Which form a device gets a bundle in, why, and what both would take: for `explain`."""

from typing import Any

from edge.domain.decision.rules import Candidate, Inputs
from edge.domain.decision.snapshot import AppSnapshot
from edge.domain.forms.choice import Compared
from edge.domain.manifest_forms import why_zip
from edge.domain.model import Platform, UpdateCheck
from edge.domain.plugin import Prefer, Sent


def form_seen(app: AppSnapshot, candidate: Candidate, check: UpdateCheck) -> Inputs:
    """Times are in milliseconds over the node's link, without the check itself. `why` is a stable code."""
    bundle, prefer = candidate.bundle, candidate.channel.prefer
    if bundle is None:
        return {}
    found = app.comparisons.compared(bundle, check.version_name, check.version_build, prefer, app.terms)
    sent = "zip" if candidate.sent_to(check) is Sent.ZIP else "manifest"
    seen: dict[str, Any] = {"sent_as": sent, "why": _why(candidate, check, found, prefer or app.terms.prefer)}
    return seen if found is None else seen | _numbers(app, found)


def _numbers(app: AppSnapshot, found: Compared) -> dict[str, Any]:
    link = app.terms.links[-1].link
    return {
        "files": found.difference.files,
        "files_bytes": found.files.bytes,
        "files_ms": round(found.files.seconds * 1e3),
        "zip_bytes": found.zip.bytes,
        "zip_ms": round(found.zip.seconds * 1e3),
        "round_trip_ms": round(link.round_trip_seconds * 1e3, 1),
        "rate_mbps": round(link.rate_bps / 1e6, 1),
    }


def _why(candidate: Candidate, check: UpdateCheck, found: Compared | None, prefer: Prefer) -> str:
    rules, bundle = check.plugin.manifest, candidate.bundle
    if rules.sent is Sent.ZIP or bundle is None:
        return "release_takes_no_files"
    if (fault := why_zip(bundle, rules)) is not None:
        return fault.value
    if rules.sent is not Sent.PACKED or not rules.zip_too:
        return "release_is_safer_with_files"
    if candidate.zip_lost:
        return "zip_lost"
    if prefer is Prefer.MANIFEST:
        return "preferred"
    if candidate.forms is None or found is None:
        return "not_compared"
    if found.is_zip and check.platform is Platform.IOS and not candidate.forms.on_ios:
        return "too_large_for_ios"
    return _of_preference(found, prefer)


def _of_preference(found: Compared, prefer: Prefer) -> str:
    if prefer is Prefer.ZIP:
        return "preferred"
    if prefer is Prefer.FEWEST_BYTES:
        return "fewer_bytes"
    faster = found.zip.seconds < found.files.seconds
    return "faster" if found.is_zip is faster else "not_clearly_slower"
