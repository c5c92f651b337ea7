"""Which form a device gets a bundle in, why, and what both would take: for `explain`."""

import enum
from typing import Any

from edge.domain.decision.rules import Candidate, Inputs
from edge.domain.decision.snapshot import AppSnapshot
from edge.domain.forms.choice import Compared
from edge.domain.forms.manifest_forms import WhyZip, why_zip
from edge.domain.model import Platform, UpdateCheck
from edge.domain.plugin import Prefer, Sent


class WhyForm(enum.Enum):
    """Why a bundle goes in the form that it does, where no `WhyZip` says so."""

    RELEASE_TAKES_NO_FILES = "release_takes_no_files"
    RELEASE_IS_SAFER_WITH_FILES = "release_is_safer_with_files"
    ZIP_LOST = "zip_lost"
    PREFERRED = "preferred"
    NOT_COMPARED = "not_compared"
    TOO_LARGE_FOR_IOS = "too_large_for_ios"
    FEWER_BYTES = "fewer_bytes"
    FASTER = "faster"
    NOT_CLEARLY_SLOWER = "not_clearly_slower"


def form_seen(app: AppSnapshot, candidate: Candidate, check: UpdateCheck) -> Inputs:
    """Times are in milliseconds over the node's link, without the check itself. `why` is a stable code: a WhyForm or a
    WhyZip. Who prefers files compares nothing, and sees no numbers, whatever other channels compare."""
    bundle, prefer = candidate.bundle, candidate.channel.prefer or app.terms.prefer
    if bundle is None:
        return {}
    is_compared = prefer is not Prefer.MANIFEST
    compared = app.comparisons.compared
    found = compared(bundle, check.version_name, check.version_build, prefer, app.terms) if is_compared else None
    sent = "zip" if candidate.sent_to(check) is Sent.ZIP else "manifest"
    seen: dict[str, Any] = {"sent_as": sent, "why": _why(candidate, check, found, prefer).value}
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


def _why(candidate: Candidate, check: UpdateCheck, found: Compared | None, prefer: Prefer) -> WhyForm | WhyZip:
    rules, bundle = check.plugin.manifest, candidate.bundle
    if rules.sent is Sent.ZIP or bundle is None:
        return WhyForm.RELEASE_TAKES_NO_FILES
    if (fault := why_zip(bundle, rules)) is not None:
        return fault
    if rules.sent is not Sent.PACKED or not rules.zip_too:
        return WhyForm.RELEASE_IS_SAFER_WITH_FILES
    if candidate.zip_lost:
        return WhyForm.ZIP_LOST
    if prefer is Prefer.MANIFEST:
        return WhyForm.PREFERRED
    if candidate.forms is None or found is None:
        return WhyForm.NOT_COMPARED
    if found.is_zip and check.platform is Platform.IOS and not candidate.forms.on_ios:
        return WhyForm.TOO_LARGE_FOR_IOS
    return _of_preference(found, prefer)


def _of_preference(found: Compared, prefer: Prefer) -> WhyForm:
    if prefer is Prefer.ZIP:
        return WhyForm.PREFERRED
    if prefer is Prefer.FEWEST_BYTES:
        return WhyForm.FEWER_BYTES
    faster = found.zip.seconds < found.files.seconds
    return WhyForm.FASTER if found.is_zip is faster else WhyForm.NOT_CLEARLY_SLOWER
