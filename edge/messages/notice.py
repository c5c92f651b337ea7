"""A notice: what a node tells people by itself, as a value. Title and text are plain text by whoever posts it. Pure."""

import enum
import hashlib
import math
import re
from collections.abc import Mapping

import msgspec

TITLE_LIMIT = 200  # characters; a chat shows one line of it
TEXT_LIMIT = 2_000  # characters; a sentence or two with figures, and a chat service takes 2,000
FIGURES_LIMIT = 40  # names with values
WORD_LIMIT = 200  # characters of a name or a value that is text
CUT = "…"

_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}", re.ASCII)  # it is a header's value

FigureValue = float | int | str


class NoticeKind(enum.Enum):
    """What happened."""

    GUARD_PAUSED = "guard_paused"
    GUARD_ROLLED_BACK = "guard_rolled_back"
    GUARD_ALARM = "guard_alarm"  # a release fails, and its guard only says so
    RELEASE_SILENT = "release_silent"
    ROLLOUT_ADVANCED = "rollout_advanced"
    ROLLOUT_WAITS = "rollout_waits"
    PUSH_STOPPED = "push_stopped"  # messages to devices cannot be sent, or one was stopped
    CHANGE_PROPOSED = "change_proposed"  # it waits for approval
    EMERGENCY_ROLLBACK = "emergency_rollback"  # or a feature is killed; nobody approved it, as is asked for
    WEBHOOK_TEST = "webhook_test"


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """`id` is the same whenever the same notice is posted or delivered again. `at` is in seconds since the epoch;
    `app`, `channel` and `bundle` are empty where the notice is about none."""

    id: str
    kind: NoticeKind
    at: float
    app: str = ""
    channel: str = ""
    bundle: str = ""
    title: str
    text: str
    figures: dict[str, FigureValue] = {}


def within_limits(notice: Notice) -> Notice:
    """As it is kept: an id that is no word becomes its digest, what is too long is cut, and what is no printable
    character or no number is left out."""
    named = notice.id if _ID.fullmatch(notice.id) else hashlib.sha256(notice.id.encode("utf-8", "replace")).hexdigest()
    return msgspec.structs.replace(
        notice,
        id=named,
        title=_cut(notice.title, TITLE_LIMIT),
        text=_cut(notice.text, TEXT_LIMIT),
        figures=_figures(notice.figures),
    )


def _figures(figures: Mapping[str, FigureValue]) -> dict[str, FigureValue]:
    known = {_cut(name, WORD_LIMIT): value for name, value in list(figures.items())[:FIGURES_LIMIT]}
    words = {name: _cut(value, WORD_LIMIT) if isinstance(value, str) else value for name, value in known.items()}
    return {name: value for name, value in words.items() if isinstance(value, str) or math.isfinite(value)}


def _cut(text: str, limit: int) -> str:
    """On one line, and printable: no character turns the line around, and a lone surrogate is no text."""
    plain = "".join(each if each.isprintable() else " " for each in text)
    return plain if len(plain) <= limit else plain[: limit - len(CUT)] + CUT
