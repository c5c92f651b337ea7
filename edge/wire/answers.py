"""A decision to the bytes a device reads: device-protocol §10 by generation, §1.5 for an update.

Every body is HTTP 200. A null is never written and an empty manifest neither: iOS decodes strictly, Android fails on
them (device-protocol §1.6, §1.8). What an offer says depends on the release's form alone, so it can be kept.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from edge.domain.decision.outcomes import BREAKING, SILENT, Blocked, Decision, Offer, Reason, RevertToBuiltin, UpToDate
from edge.domain.file_names import target_name
from edge.domain.manifest import read_manifest
from edge.domain.manifest_forms import sent_as
from edge.domain.model import BUILTIN, AppId, Bundle, Digest, FileEntry, UpdateCheck
from edge.domain.plugin import Sent
from edge.wire.body import encode_json
from edge.wire.plugins.forms import Form, ZipEnd, form_of

NOOP_PATH = "/noop.zip"  # a valid address that no release fetches: `version` is the device's own

# Names of all apps' bundles that devices run; devices choose the text, so bounded: at most 2 MB.
NOTHING_NEW_CACHE_LIMIT = 4096

_CHECKSUM_OF_UNVERIFIED = ""
_NO_SESSION_KEY = ""  # the member has to be there; empty means not encrypted


class Addresses(NamedTuple):
    """Where devices find things. `base` is scheme and host, without a slash at the end."""

    base: str

    def zip_url(self, app: AppId, bundle: Bundle, zip_end: ZipEnd) -> str:
        """The address says how its device wants the end answered: Android's zip requests carry no plugin version."""
        url = f"{self.base}/bundles/{app}/zip/{bundle.zip}"
        return url if zip_end is ZipEnd.REFUSE else f"{url}?end={zip_end.value}"

    def file_url(self, app: AppId, blob: Digest) -> str:
        return f"{self.base}/bundles/{app}/file/{blob}"

    def noop_url(self) -> str:
        return self.base + NOOP_PATH


def encode_answer(
    decision: Decision, check: UpdateCheck, base: str, *, manifest: bytes = b"", expose_metadata: bool = False
) -> bytes:
    """`base` is the address devices are told, without a slash at the end; `manifest` the stored manifest document.

    Without the document an offer is a zip's. Raises Invalid when the document is no manifest.
    """
    form = form_of(check.platform, check.plugin.version)
    match decision:
        case Offer():
            sent = sent_as(decision.bundle, check.plugin.manifest) if manifest else Sent.ZIP
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
    """What `encode_answer` says to UpToDate, which is most of what is ever answered: without a look at the rest."""
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
    """The body of device-protocol §1.5. Depends on nothing of the device but its form: equal arguments, equal bytes.

    `manifest` is the document, needed unless the bundle is sent as its zip. The session key and the encrypted checksum
    go along with a manifest too: iOS reads both (device-protocol §5.5).
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
    """Nothing to do, as every release understands it without a failure (device-protocol §0.1).

    A device that calls itself `builtin` would download whatever else has a name, and go back to builtin at that word.
    """
    version = "" if check.says_builtin else check.version_name
    return encode_json({"version": version, "url": Addresses(base).noop_url()})


def greeting_body() -> bytes:
    return b'{"status":"ok"}'


def _files(bundle: Bundle, entries: tuple[FileEntry, ...], sent: Sent) -> Sequence[tuple[str, str, Digest]]:
    """Name, hash to verify, and blob of each file. Empty: the offer is its zip's after all."""
    if bool(entries[0].signed) != (bundle.encryption is not None):
        return ()  # all are signed or none: a device with a key would refuse every file of an encrypted bundle without
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
    # `version` is the device's own: without it iOS asks a second time (device-protocol §1.10).
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
