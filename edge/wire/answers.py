"""A decision to the bytes that a device reads: PROTOCOL.md §10 by generation, §1.5 for an offer.

Every body is for an HTTP 200. None contains a null or an empty manifest: iOS decodes strictly, Android fails on them
(PROTOCOL.md §1.6, §1.8). An offer depends only on the release's form, so it can be cached.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from edge.domain.decision.outcomes import BREAKING, SILENT, Blocked, Decision, Offer, Reason, RevertToBuiltin, UpToDate
from edge.domain.file_names import target_name
from edge.domain.forms.manifest_forms import sent_to
from edge.domain.manifest import read_manifest
from edge.domain.model import BUILTIN, AppId, Bundle, Digest, FileEntry, UpdateCheck
from edge.domain.plugin import Sent
from edge.wire.body import encode_json
from edge.wire.plugins.forms import Form, ZipEnd, form_of

NOOP_PATH = "/noop.zip"  # a valid address that no release fetches: the answer's `version` is the device's own

# Versions that devices run, in all apps; devices choose the text, so bounded: at most 2 MB.
NOTHING_NEW_CACHE_LIMIT = 4096

_CHECKSUM_OF_UNVERIFIED = ""
_NO_SESSION_KEY = ""  # the member is required; empty means not encrypted


class Addresses(NamedTuple):
    """The addresses in answers. `base` is scheme and host, without a final slash."""

    base: str

    def zip_url(self, app: AppId, bundle: Bundle, zip_end: ZipEnd) -> str:
        """The address states how to answer a request past the end: Android's zip requests have no plugin version."""
        url = f"{self.base}/bundles/{app}/zip/{bundle.zip}"
        return url if zip_end is ZipEnd.REFUSE else f"{url}?end={zip_end.value}"

    def file_url(self, app: AppId, blob: Digest) -> str:
        return f"{self.base}/bundles/{app}/file/{blob}"

    def noop_url(self) -> str:
        return self.base + NOOP_PATH


def encode_answer(
    decision: Decision, check: UpdateCheck, base: str, *, manifest: bytes = b"", expose_metadata: bool = False
) -> bytes:
    """The body of a 200. `base` is the node's address in answers, without a final slash; `manifest` the stored
    document.

    Without the document an offer is of the zip. Raises Invalid `invalid_manifest` for a malformed document.
    """
    form = form_of(check.platform, check.plugin.version)
    match decision:
        case Offer():
            sent = sent_to(decision.bundle, decision.forms, check) if manifest else Sent.ZIP
            return encode_offer(decision, check.app, form, sent, base, manifest, expose_metadata)
        case RevertToBuiltin():
            return encode_json({"version": BUILTIN})
        case _ if not form.generation.hears_reasons:
            return silent_answer(check, base)
        case Blocked(reason) if reason not in SILENT:
            return encode_json(_refusal(decision, check))
        case UpToDate() | Blocked():
            return _nothing_new(check.own_name)


def encode_up_to_date(check: UpdateCheck, base: str) -> bytes:
    """`encode_answer` for UpToDate, the most frequent answer, by the shortest way."""
    if form_of(check.platform, check.plugin.version).generation.hears_reasons:
        return _nothing_new(BUILTIN if check.says_builtin else check.version_name)
    return silent_answer(check, base)


def encode_offer(
    offer: Offer,
    app: AppId,
    form: Form,
    sent: Sent,
    base: str,
    manifest: bytes = b"",
    expose_metadata: bool = False,
) -> bytes:
    """The body of PROTOCOL.md §1.5. It depends on the device only by its form: equal arguments give equal bytes.

    `manifest` is the document, needed unless the bundle goes as a zip. With a manifest, the session key and the
    encrypted checksum are sent too: iOS reads both (PROTOCOL.md §5.5).
    """
    bundle, addresses = offer.bundle, Addresses(base)
    answer: dict[str, object] = {
        "version": bundle.version,
        "url": addresses.zip_url(app, bundle, form.zip_end),
        "session_key": bundle.encryption.session_key if bundle.encryption else _NO_SESSION_KEY,
        "checksum": bundle.encryption.checksum if bundle.encryption else _plain_checksum(bundle, form),
    }
    if files := () if sent is Sent.ZIP else _files(bundle, read_manifest(manifest), sent):
        answer["manifest"] = [
            {"file_name": name, "file_hash": file_hash, "download_url": addresses.file_url(app, blob)}
            for name, file_hash, blob in files
        ]
    if expose_metadata and form.metadata:
        answer |= {key: text for key, text in (("link", bundle.link), ("comment", bundle.comment)) if text}
    return encode_json(answer)


def silent_answer(check: UpdateCheck, base: str) -> bytes:
    """Nothing to do, in the form that every release accepts without a failure (PROTOCOL.md §0.1).

    A device that names itself `builtin` would download any other name, and revert to builtin at that one.
    """
    version = "" if check.says_builtin else check.version_name
    return encode_json({"version": version, "url": Addresses(base).noop_url()})


def greeting_body() -> bytes:
    """The body for requests without a check: the node is there."""
    return b'{"status":"ok"}'


def _files(bundle: Bundle, entries: tuple[FileEntry, ...], sent: Sent) -> Sequence[tuple[str, str, Digest]]:
    """Name, hash to verify, and blob of each file. Empty: the offer is of the zip after all."""
    if bool(entries[0].signed) != (bundle.encryption is not None):
        return ()  # all are signed or none; without, a device with a key refuses every file of an encrypted bundle
    if sent is Sent.PLAIN:
        return [(target_name(entry.name), entry.hash, entry.hash) for entry in entries]
    return [(entry.name, entry.signed or entry.hash, entry.blob) for entry in entries]


def _plain_checksum(bundle: Bundle, form: Form) -> str:
    match form.checksum:
        case "sha256":
            return bundle.zip
        case "crc32":
            return bundle.zip_crc32
        case "none":
            return _CHECKSUM_OF_UNVERIFIED


@lru_cache(NOTHING_NEW_CACHE_LIMIT)
def _nothing_new(version_name: str) -> bytes:
    # `version` is the device's own: without it iOS sends a second check (PROTOCOL.md §1.10).
    answer = {
        "error": "no_new_version_available",
        "message": "No new version available",
        "kind": "up_to_date",
        "version": version_name,
    }
    return encode_json(answer)


def _refusal(decision: Blocked, check: UpdateCheck) -> dict[str, object]:
    reason = decision.reason
    if reason is Reason.UNKNOWN_APP:
        return {"error": reason.code, "kind": "blocked"}
    answer: dict[str, object] = {"error": reason.code, "message": reason.message, "kind": "blocked"}
    if reason is Reason.NO_CHANNEL:
        return answer
    if reason in (Reason.INVALID_APP_ID, Reason.UNNUMBERED_NATIVE):
        return answer | {"version": check.own_name}
    if reason in BREAKING:
        return answer | {"major": True, "version": decision.target, "old": check.version_build}
    return answer | {"version": check.own_name, "old": check.own_name}
