"""What a webhook's receiver gets of a notice, by the form that it takes. Pure.

A notice contains names that people gave, such as a bundle's. In a chat none of them may mention a person, call
everyone, or be a link.
"""

import re
from typing import Literal

import msgspec

from edge.messages.notice import FigureValue, Notice, NoticeKind
from edge.messages.webhook import WebhookForm

DISCORD_LIMIT = 2_000  # characters that Discord takes
NO_LINK_CARDS = 4  # Discord's flag SUPPRESS_EMBEDS

_GAP = "\u200b"  # invisible, and ends what a chat service would read as one word
_QUOTED = str.maketrans({"<": "‹", ">": "›", "@": f"@{_GAP}", "#": f"#{_GAP}", "`": "'"})
_LINKS = re.compile(r"(?<=:)(?=/)|(?<=\])(?=\()|(?<=\.)(?=[^\W\d_])")  # https:|//, ](, example.|com; no 1.2.0


class JsonPayload(msgspec.Struct, frozen=True, kw_only=True):
    """`version` is raised when a field changes its meaning or goes; one may be added at any time. `at` is in seconds
    since the epoch; `app`, `channel` and `bundle` are empty where the notice is about none."""

    version: Literal[1] = 1
    id: str
    kind: NoticeKind
    at: float
    app: str
    channel: str
    bundle: str
    title: str
    text: str
    figures: dict[str, FigureValue]


def encode_payload(form: WebhookForm, notice: Notice) -> bytes:
    """A JSON document in UTF-8."""
    match form:
        case WebhookForm.JSON:
            return msgspec.json.encode(JsonPayload(**msgspec.structs.asdict(notice)))
        case WebhookForm.CHAT:
            return msgspec.json.encode({"text": chat_text(notice)})
        case WebhookForm.DISCORD:
            said = {"content": chat_text(notice)[:DISCORD_LIMIT], "allowed_mentions": {"parse": list[str]()}}
            return msgspec.json.encode({**said, "flags": NO_LINK_CARDS})


def chat_text(notice: Notice) -> str:
    """Title and text, such that no chat service finds a mention, a channel, a link or code in them."""
    lines = (notice.title, notice.text) if notice.text else (notice.title,)
    return "\n".join(_LINKS.sub(_GAP, each.translate(_QUOTED)) for each in lines)
