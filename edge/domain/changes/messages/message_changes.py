"""Messages of an app: created, cancelled, and the caps of all. Checked before they are saved. Pure."""

import hashlib
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime

from edge.domain.app_parts.stored_messages import (
    WHOLE,
    DeviceCap,
    MessageCaps,
    MessageText,
    MessageWords,
    SendTime,
    StoredMessage,
    normal_locale,
)
from edge.domain.changes.messages.message_commands import (
    CancelMessage,
    CreateMessage,
    NewMessageText,
    NewMessageWords,
    SetMessageCaps,
)
from edge.domain.errors import Conflict, Invalid
from edge.domain.messaging.planning import LATE_SECONDS, LATEST_SECONDS, over_at
from edge.domain.model import AppState
from edge.domain.states import id_set_of, message_of, segment_of
from edge.domain.targeting.parser import check_expression

MESSAGES_LIMIT = 200  # of an app, planned and past: the oldest that is over makes room
TITLE_LIMIT, BODY_LIMIT = 200, 2_000  # characters; screens show some 50 and 200
DATA_LIMIT = 20  # of its own names and values
DATA_VALUE_LIMIT = 1_000  # characters
DATA_LIMIT_BYTES = 2_000  # of them together: providers take 4,096 of everything
TTL_LEAST_SECONDS, TTL_LIMIT_SECONDS = 60, 28 * 86_400  # FCM's longest
AHEAD_LIMIT_SECONDS = 90 * 86_400
PER_DAY_LIMIT = 100_000_000
CAP_LIMIT_TIMES, CAP_LIMIT_DAYS = 100, 31
TEXTS_LIMIT = 2
LOCALES_LIMIT = 40  # of a text: what stores list; each revision of the app holds them

_CAP = re.compile(r"([0-9]{1,3})/(?:(day|week|month)|([0-9]{1,2})d)", re.ASCII)
_CAP_DAYS = {"day": 1, "week": 7, "month": 30}
_QUIET = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])-([01][0-9]|2[0-3]):([0-5][0-9])", re.ASCII)
_AT = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})[ T]([0-9]{2}:[0-9]{2})(?: (local|UTC)|(Z))", re.ASCII)
_LOCALE = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{2,8}){0,3}", re.ASCII)
_DATA_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}", re.ASCII)
# Soft hyphens, joiners of Persian, Hindi and emoji, marks of direction, and the tags of flags; nothing that turns the
# text around that follows it.
_JOINING = frozenset("\u00ad\u061c\u200b\u200c\u200d\u200e\u200f\u2060") | set(map(chr, range(0xE0020, 0xE0080)))
_ALSO_SHOWN = ("Zs", "Cn")
# FCM reserves the first three; the last are the node's own.
_RESERVED = ("from", "message_type", "google", "gcm", "edge_", "aps")


def carry_out(
    state: AppState, command: CreateMessage | CancelMessage | SetMessageCaps, at: float, change_id: str
) -> AppState:
    """The state after the command. Raises Invalid, NotFound, Conflict."""
    match command:
        case CreateMessage():
            return _create(state, command, at, change_id)
        case CancelMessage():
            return _cancel(state, command, at)
        case SetMessageCaps():
            return _set_caps(state, command)


def read_message(state: AppState, command: CreateMessage, at: float, change_id: str) -> StoredMessage:
    """As it would be stored. Raises Invalid, NotFound `unknown_segment`, `unknown_id_set`."""
    _check_audience(state, command)
    _check_texts(command)
    _check_data(command.data)
    _check_share("share", command.share, least=1)
    _check_share("hold_out", command.hold_out, least=0, most=WHOLE - 1)
    if not TTL_LEAST_SECONDS <= command.ttl_seconds <= TTL_LIMIT_SECONDS:
        raise Invalid("invalid_ttl", f"a message lives {TTL_LEAST_SECONDS} s to {TTL_LIMIT_SECONDS // 86_400} days")
    time, moment = parse_send_time(command.when, at)
    texts = tuple(
        MessageText(name=name, title=each.title, body=each.body, locales=_read_locales(each))
        for name, each in zip("AB", command.texts, strict=False)
    )
    digest = hashlib.sha256(change_id.encode()).hexdigest()
    return StoredMessage(
        id=message_id(change_id),
        texts=texts,
        time=time,
        salt=digest[12:28],
        created=at,
        at=moment,
        segment=command.segment,
        where=command.where,
        data=command.data,
        silent=command.silent,
        quiet=parse_quiet(command.quiet) if command.quiet else None,
        cap=parse_cap(command.cap) if command.cap else None,
        share=command.share,
        hold_out=command.hold_out,
        ttl_seconds=command.ttl_seconds,
        expected=command.expected,
    )


def message_id(change_id: str) -> str:
    """Of the message that this change makes."""
    return f"m-{hashlib.sha256(change_id.encode()).hexdigest()[:12]}"


def parse_send_time(text: str, now: float) -> tuple[SendTime, float]:
    """And the moment, or the reading of clocks. Raises Invalid `invalid_when`, `when_passed`, `when_too_far`."""
    if text in ("now", "best"):
        return SendTime(text), 0.0
    found = _AT.fullmatch(text)
    try:
        moment = datetime.fromisoformat(f"{found[1]}T{found[2]}+00:00").timestamp() if found else None
    except ValueError:
        moment = None
    if found is None or moment is None:
        told = "`now`, `best`, `2026-12-01 09:00 local` (each device's own clock) or `2026-12-01 09:00 UTC`"
        raise Invalid("invalid_when", f"invalid time {text[:40]!r}: use {told}")
    time = SendTime.LOCAL if found[3] == "local" else SendTime.AT
    latest = moment + (LATEST_SECONDS if time is SendTime.LOCAL else 0)
    if latest < now - LATE_SECONDS:
        raise Invalid("when_passed", f"{text!r} has passed everywhere; it is {_shown(now)}")
    if moment > now + AHEAD_LIMIT_SECONDS:
        raise Invalid("when_too_far", f"{text!r} is more than {AHEAD_LIMIT_SECONDS // 86_400} days ahead")
    return time, moment


def parse_quiet(text: str) -> tuple[int, int]:
    """Minutes of a day. Raises Invalid `invalid_quiet`."""
    found = _QUIET.fullmatch(text)
    if found is None or text[:5] == text[6:]:
        raise Invalid("invalid_quiet", f"quiet hours are like 22:00-08:00, not {text[:20]!r}")
    return int(found[1]) * 60 + int(found[2]), int(found[3]) * 60 + int(found[4])


def parse_cap(text: str) -> DeviceCap:
    """Raises Invalid `invalid_cap`."""
    found = _CAP.fullmatch(text)
    times, days = (int(found[1]), _CAP_DAYS[found[2]] if found[2] else int(found[3])) if found else (0, 0)
    if not (1 <= times <= CAP_LIMIT_TIMES and 1 <= days <= CAP_LIMIT_DAYS):
        raise Invalid("invalid_cap", f"a cap is like 3/week, 1/day or 5/14d (up to {CAP_LIMIT_DAYS} days)")
    return DeviceCap(times=times, days=days)


def messages_after_undo(state: AppState, before: AppState, at: float) -> Mapping[str, StoredMessage]:
    """What a phone has shown does not come back: a message that is undone is cancelled, one that was cancelled stays
    so, and one that the app's deletion ended, or that made room, comes back without being sent."""
    was = {name: state.messages.get(name) or _ended(each, at) for name, each in before.messages.items()}
    since = {name: _ended(each, at) for name, each in state.messages.items() if name not in was}
    return {**was, **since} or before.messages


def _ended(message: StoredMessage, at: float) -> StoredMessage:
    return message if _is_past(message, at) else replace(message, cancelled=at)


def reading_segment(state: AppState, segment: str, at: float) -> Iterator[str]:
    """Messages that are still to be planned by it."""
    return (each.id for each in _open(state, at) if each.segment == segment)


def reading_id_set(state: AppState, name: str, at: float) -> Iterator[str]:
    """As `reading_segment`."""
    return (each.id for each in _open(state, at) if each.where and name in check_expression(each.where))


def _open(state: AppState, at: float) -> Iterator[StoredMessage]:
    return (each for each in state.messages.values() if not each.cancelled and over_at(each) > at)


def _create(state: AppState, command: CreateMessage, at: float, change_id: str) -> AppState:
    message = read_message(state, command, at, change_id)
    if not 0 <= command.expected <= PER_DAY_LIMIT:
        raise Invalid("invalid_expected", "expected is how many devices the preview stated")
    kept = dict(state.messages)
    while len(kept) >= MESSAGES_LIMIT:
        past = min((each for each in kept.values() if _is_past(each, at)), key=lambda each: each.created, default=None)
        if past is None:
            raise Conflict(
                "too_many_messages", f"app {state.app!r} has {MESSAGES_LIMIT} messages that are not over: cancel some"
            )
        del kept[past.id]
    return replace(state, messages={**kept, message.id: message})


def _is_past(message: StoredMessage, at: float) -> bool:
    return bool(message.cancelled) or over_at(message) <= at


def _cancel(state: AppState, command: CancelMessage, at: float) -> AppState:
    message = message_of(state, command.message)
    if message.cancelled:
        return state
    if over_at(message) <= at:
        raise Conflict("message_over", f"message {message.id!r} is over: nothing of it is left to cancel")
    return replace(state, messages={**state.messages, message.id: replace(message, cancelled=at)})


def _set_caps(state: AppState, command: SetMessageCaps) -> AppState:
    if not 0 <= command.per_day <= PER_DAY_LIMIT:
        raise Invalid("invalid_cap", f"an app may send 0 to {PER_DAY_LIMIT:,} messages a day")
    caps = MessageCaps(per_day=command.per_day, device=parse_cap(command.device) if command.device else None)
    return state if caps == state.message_caps else replace(state, message_caps=caps)


def _check_audience(state: AppState, command: CreateMessage) -> None:
    if command.segment is not None and command.where is not None:
        raise Invalid("invalid_audience", "give a segment or an expression, not both")
    if command.segment is not None:
        segment_of(state, command.segment)
    if command.where is not None:
        for each in sorted(check_expression(command.where)):
            id_set_of(state, each)


def _check_texts(command: CreateMessage) -> None:
    texts = command.texts
    if not 1 <= len(texts) <= TEXTS_LIMIT:
        raise Invalid("invalid_texts", "a message has one text, or two that are compared")
    for text in texts:
        for each in (text, *text.locales.values()):
            _check_words(each)
    if command.silent:
        if len(texts) > 1 or texts[0] != NewMessageText():
            raise Invalid("invalid_texts", "a silent message has no title and no body")
    elif not all(each.title or each.body for each in texts):
        raise Invalid("invalid_texts", "a message has a title or a body; one without is --silent")
    if len(texts) == TEXTS_LIMIT and texts[0] == texts[1]:
        raise Invalid("invalid_texts", "both texts are the same: there is nothing to compare")


def _check_words(each: NewMessageWords) -> None:
    for what, text, limit in (("title", each.title, TITLE_LIMIT), ("body", each.body, BODY_LIMIT)):
        if len(text) > limit:
            raise Invalid(f"invalid_{what}", f"the {what} has {len(text)} characters; the limit is {limit}")
        if not all(_is_shown(letter) or (letter == "\n" and what == "body") for letter in text):
            raise Invalid(f"invalid_{what}", f"the {what} holds a character that cannot be shown")


def _is_shown(letter: str) -> bool:
    """Also spaces of French and Japanese, what joins letters and emoji, and letters newer than this Python."""
    return letter.isprintable() or letter in _JOINING or unicodedata.category(letter) in _ALSO_SHOWN


def _read_locales(text: NewMessageText) -> Mapping[str, MessageWords]:
    """Raises Invalid `invalid_locale`, `invalid_texts`."""
    if len(text.locales) > LOCALES_LIMIT:
        raise Invalid("invalid_locale", f"a text has {len(text.locales)} locales; the limit is {LOCALES_LIMIT}")
    found = dict[str, MessageWords]()
    for name, each in text.locales.items():
        if _LOCALE.fullmatch(name) is None or normal_locale(name) in found:
            raise Invalid("invalid_locale", f"locale {name[:40]!r}: each is like de or pt-BR, and there once")
        if not (each.title or each.body):
            raise Invalid("invalid_texts", f"the text for {name} has no title and no body")
        found[normal_locale(name)] = MessageWords(title=each.title, body=each.body)
    return found


def _check_data(given: Mapping[str, str]) -> None:
    if len(given) > DATA_LIMIT or sum(len(k.encode()) + len(v.encode()) for k, v in given.items()) > DATA_LIMIT_BYTES:
        raise Invalid("invalid_message_data", f"data has up to {DATA_LIMIT} names and {DATA_LIMIT_BYTES} bytes")
    for name, value in given.items():
        if _DATA_NAME.fullmatch(name) is None or name.lower().startswith(_RESERVED):
            raise Invalid(
                "invalid_message_data",
                f"data name {name[:64]!r}: use 1 to 64 letters, digits, '_', '.' and '-', a letter first, and none "
                f"that begins with {', '.join(_RESERVED)}",
            )
        if len(value) > DATA_VALUE_LIMIT:
            raise Invalid("invalid_message_data", f"the value of {name!r} has more than {DATA_VALUE_LIMIT} characters")


def _check_share(what: str, share: int, *, least: int, most: int = WHOLE) -> None:
    if not least <= share <= most:
        raise Invalid("invalid_share", f"{what} is between {least} and {most} thousandths of a percent")


def _shown(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")
