"""An ordinary GET or HEAD of a blob: its address, parsed, and the headers that decide the answer."""

from collections.abc import Mapping

import msgspec

from edge.domain.errors import EdgeError
from edge.domain.model import AppId, Digest, parse_app_id, parse_digest
from edge.node.delivery.dictionaries import NO_TERMS, DictionaryTerms, dictionary_terms, is_name
from edge.node.delivery.plan import DeliveryRequest
from edge.wire.plugins.forms import ZipEnd

_ENDS = {b"": ZipEnd.REFUSE, b"end=empty": ZipEnd.EMPTY, b"end=whole": ZipEnd.WHOLE}
_OF = b"of="
_KINDS = {b"zip": "zip", b"file": "file"}


class Fetch(msgspec.Struct, frozen=True):
    """A request for a blob by a well-formed address; whether the blob may be read is not decided here."""

    app: AppId
    kind: str  # zip or file
    digest: Digest
    request: DeliveryRequest
    terms: DictionaryTerms = NO_TERMS
    patch: str = ""  # the blob that is sent in place of `digest`

    @property
    def blob(self) -> str:
        """What is sent."""
        return self.patch or self.digest

    def whole(self) -> "Fetch":
        """The same request, answered without a patch."""
        return msgspec.structs.replace(self, patch="")


def parse_fetch(method: str, target: bytes, headers: Mapping[bytes, bytes]) -> Fetch | None:
    """`headers` by lower-case name. None if `target` is not a blob's address exactly as our answers write it."""
    path, _, query = target.partition(b"?")
    parts = path.split(b"/")
    of = query[len(_OF) :].decode("latin-1") if query.startswith(_OF) else ""
    end = ZipEnd.REFUSE if parts[3:4] == [b"file"] and is_name(of) else _ENDS.get(query)
    if len(parts) != 5 or end is None or parts[3] not in _KINDS:
        return None
    try:
        app, digest = parse_app_id(parts[2].decode("ascii")), parse_digest(parts[4].decode("ascii"))
    except (EdgeError, UnicodeDecodeError):
        return None

    def header(name: bytes) -> str | None:
        value = headers.get(name)
        return None if value is None else value.decode("latin-1")

    request = DeliveryRequest(
        method,
        header(b"range"),
        header(b"if-range"),
        header(b"if-none-match"),
        header(b"if-modified-since"),
        header(b"if-match"),
        header(b"if-unmodified-since"),
        end,
    )
    if not of:
        return Fetch(app, _KINDS[parts[3]], digest, request)
    encodings, available = header(b"accept-encoding"), header(b"available-dictionary")
    terms = dictionary_terms(app, of, encodings, available, whole=request.wants_whole)
    return Fetch(app, _KINDS[parts[3]], digest, request, terms)
