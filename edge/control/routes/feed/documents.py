"""The documents that a follower mirrors: what changed of them, in one conditional request."""

from typing import Annotated

import msgspec

from edge.control.access.roles import Permission
from edge.control.calls import Call
from edge.control.operations import Operation
from edge.control.shapes.common import AnswerBody

KNOWN_LIMIT = 64  # documents; there are 18, and a newer release may have more
KNOWN_LIMIT_BYTES = 16 << 10
KEY_LIMIT, TAG_LIMIT = 128, 128  # characters

_Key = Annotated[str, msgspec.Meta(max_length=KEY_LIMIT)]
_Tag = Annotated[str, msgspec.Meta(max_length=TAG_LIMIT)]


class KnownDocuments(msgspec.Struct, frozen=True, kw_only=True):
    """The tags of the documents that the follower has, by key."""

    known: Annotated[dict[_Key, _Tag], msgspec.Meta(max_length=KNOWN_LIMIT)]


class DocumentView(AnswerBody, frozen=True, kw_only=True):
    """One document, whose bytes are signed; `content` is base64, empty where this node does not have the document."""

    key: str
    tag: str
    content: bytes


class ChangedDocuments(AnswerBody, frozen=True, kw_only=True):
    """Those whose tags differ from the known ones."""

    documents: list[DocumentView]


async def handle_documents(call: Call[KnownDocuments]) -> ChangedDocuments:
    changed = await call.ports.feed.documents.changed(call.body.known)
    return ChangedDocuments(
        documents=[DocumentView(key=each.key, tag=each.tag, content=each.content) for each in changed]
    )


OPERATIONS = (
    Operation(
        name="follow_documents",
        method="POST",
        path="/v1/feed/documents",
        summary="List the heads, tokens and keys that a follower does not know yet, as they are signed",
        permission=Permission.FOLLOW,
        handle=handle_documents,
        answer=ChangedDocuments,
        body=KnownDocuments,
        body_limit_bytes=KNOWN_LIMIT_BYTES,
    ),
)
