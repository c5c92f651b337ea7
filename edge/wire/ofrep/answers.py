"""Evaluations to the answers of the protocol (OFREP.md §3), and the digest of what an answer says.

Each evaluation is encoded once for a snapshot; answers are joined from the pieces.
"""

from base64 import urlsafe_b64encode
from collections.abc import Iterable
from hashlib import blake2b
from typing import NamedTuple

from edge.domain.features.evaluation import Evaluation
from edge.wire.body import encode_json
from edge.wire.ofrep.refusals import OfrepCode, encode_feature_fault

KEY_NEEDED = "the feature is drawn by targetingKey, which the context lacks"

_BEGIN, _END = b'{"flags":[', b'],"metadata":{}'
_PIECE_BYTES, _DIGEST_BYTES = 8, 12  # 12: no two answers that a client can get share a digest by chance


class EncodedPiece(NamedTuple):
    """One feature of an answer, and a digest of it."""

    text: bytes
    digest: bytes


class BulkAnswer(NamedTuple):
    """`text` lacks its end: `whole_answer` adds it, with the stream if there is one. `digest` is of the text."""

    text: bytes
    digest: bytes


def encode_piece(evaluation: Evaluation) -> EncodedPiece:
    """The answer about one feature. Without a value, the app's code uses its own."""
    head = encode_json({"key": evaluation.key})
    value = b"" if evaluation.value_json is None else b',"value":' + evaluation.value_json
    tail = encode_json(
        {
            "variant": evaluation.variant,
            "reason": evaluation.reason.value,
            "metadata": dict(evaluation.metadata),
        }
    )
    return _piece(b"".join((head[:-1], value, b",", tail[1:])))


def encode_keyless(name: str) -> EncodedPiece:
    """For a feature that draws by the targeting key, which was not sent."""
    return _piece(encode_feature_fault(name, OfrepCode.TARGETING_KEY_MISSING, KEY_NEEDED))


def join_answer(pieces: Iterable[EncodedPiece]) -> BulkAnswer:
    """A bulk answer, in the order given."""
    listed = list(pieces)
    digest = blake2b(b"".join([each.digest for each in listed]), digest_size=_DIGEST_BYTES).digest()
    text = b",".join([each.text for each in listed])
    return BulkAnswer(b"".join((_BEGIN, text, _END)), digest)


def whole_answer(answer: BulkAnswer, stream: str = "") -> bytes:
    """The body of a 200; `stream` is the path and query of the stream of changes, "" for none."""
    if not stream:
        return answer.text + b"}"
    described = encode_json([{"type": "sse", "endpoint": {"requestUri": stream}}])
    return b"".join((answer.text, b',"eventStreams":', described, b"}"))


def etag_of(answer: BulkAnswer, turn: int = 0) -> str:
    """A quoted entity tag. `turn` is the stream address's, 0 without one: another address is another answer."""
    end = f".{turn}" if turn else ""
    return f'"{urlsafe_b64encode(answer.digest).decode()}{end}"'


def _piece(text: bytes) -> EncodedPiece:
    return EncodedPiece(text, blake2b(text, digest_size=_PIECE_BYTES).digest())
