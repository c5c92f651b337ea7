"""The form of a new message: its fields, the request that they make, and where a refusal belongs. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from edge.control.shapes.messages import MessageRequest, MessageTextRequest
from edge.domain.errors import EdgeError, Invalid
from edge.domain.schedule.durations import parse_duration
from edge.domain.shares import parse_share
from edge.page.acts.confirmation import AskInput
from edge.page.words.numbers import named

TITLE_LIMIT, BODY_LIMIT, DATA_LIMIT = 200, 2_000, 4_000  # characters; the operation checks what matters
LINE_LIMIT = 1_000  # of an expression
DEFAULTS = {"when": "now", "share": "100%", "hold_out": "5%", "ttl": "24h"}
ALL = "all registered devices"
LOCAL, UTC = "local", "UTC"
WHENS = {
    "now": "now",
    "best": "at each device's own usual hour",
    LOCAL: "when each device's own clock shows the time below",
    UTC: "at the time below, in UTC",
}
_SILENT = {"": "shows its text", "on": "is silent: it shows nothing and wakes the app, as far as the system lets it"}
_FIELD_OF = {
    "invalid_title": "title",
    "invalid_body": "body",
    "invalid_texts": "title",
    "message_too_large": "body",
    "invalid_message_data": "data",
    "unknown_segment": "segment",
    "invalid_audience": "where",
    "invalid_when": "at",
    "when_passed": "at",
    "when_too_far": "at",
    "invalid_quiet": "quiet",
    "invalid_cap": "cap",
    "invalid_ttl": "ttl",
    "invalid_duration": "ttl",
}


def message_inputs(
    segments: Sequence[str], fields: Mapping[str, str], error: EdgeError | None = None
) -> list[AskInput]:
    """With what was filled in; `error` stands under the field that it is about."""
    filled = _inputs(segments, {**DEFAULTS, **fields})
    if error is None:
        return filled
    about, said = _about(error, fields), f"{error.message[:300]} [{error.code}]"
    return [each._replace(error=said) if each.name == about else each for each in filled]


def message_request(fields: Mapping[str, str]) -> MessageRequest:
    """What the fields ask for. Raises Invalid; the operation checks the rest."""
    values = DEFAULTS | {name: text.replace("\r\n", "\n").strip() for name, text in fields.items()}
    pairs = [("title", "body"), *([("title_b", "body_b")] if values.get("title_b") or values.get("body_b") else [])]
    texts = [MessageTextRequest(title=values.get(title, ""), body=values.get(body, "")) for title, body in pairs]
    when = values["when"]
    return MessageRequest(
        texts=texts,
        when=f"{values.get('at', '').replace('T', ' ')} {when}" if when in (LOCAL, UTC) else when,
        segment=values.get("segment") or None,
        where=values.get("where") or None,
        data=_data(values.get("data", "")),
        silent=values.get("silent") == "on",
        quiet=values.get("quiet", ""),
        cap=values.get("cap", ""),
        share=values["share"] or DEFAULTS["share"],
        hold_out=values["hold_out"] or "0%",
        ttl_seconds=parse_duration(values["ttl"] or DEFAULTS["ttl"]),
    )


def _inputs(segments: Sequence[str], now: Mapping[str, str]) -> list[AskInput]:
    def line(name: str, label: str, **more: Any) -> AskInput:
        return AskInput(name, label, now.get(name, ""))._replace(**more)

    choices = [("", ALL), *((each, named(each)) for each in segments)]
    two = (
        "The node then compares on which of the two the message is opened more often. Leave it empty to send one text."
    )
    return [
        line("title", "Title", limit=TITLE_LIMIT, heading="What it says"),
        line("body", "Text", limit=BODY_LIMIT, rows=3),
        line("title_b", "Title of a second text, for the other half", limit=TITLE_LIMIT, hint=two),
        line("body_b", "The second text", limit=BODY_LIMIT, rows=3),
        line("data", "Data for the app's code", limit=DATA_LIMIT, rows=2, hint="One on a line, such as screen=offers."),
        line("silent", "The message", choices=list(_SILENT.items())),
        line("segment", "Segment", choices=choices, heading="To whom"),
        line("where", "Or an expression", limit=LINE_LIMIT, hint='Such as platform == "ios".'),
        line("share", "To this share of them", limit=16),
        line("hold_out", "Held out", limit=16, hint="These do not get it, so that you see what it changes."),
        line(
            "cap",
            "Not to devices that already had",
            hint="So many messages, such as 3/week. Empty: the app's limit alone.",
        ),
        line("when", "Send it", choices=list(WHENS.items()), heading="When"),
        line("at", "Time", kind="datetime-local"),
        line("quiet", "Quiet hours of each device", hint="Such as 22:00-08:00. What is due then waits for their end."),
        line(
            "ttl",
            "Too old after",
            limit=16,
            hint="Such as 24h or 7d. A device that cannot be reached until then does not get it.",
        ),
    ]


def _about(error: EdgeError, fields: Mapping[str, str]) -> str:
    """The field that a refusal is about."""
    if error.code == "invalid_share":
        return "hold_out" if _is_share(fields.get("share", "")) else "share"
    if error.code.startswith("invalid_when") and fields.get("when") not in (LOCAL, UTC):
        return "when"
    return _FIELD_OF.get(error.code, "where" if fields.get("where", "").strip() else "title")


def _is_share(text: str) -> bool:
    try:
        return parse_share(text.strip() or DEFAULTS["share"]) > 0
    except Invalid:
        return False


def _data(text: str) -> dict[str, str]:
    """Raises Invalid `invalid_message_data`."""
    pairs = [line.partition("=") for line in text.split("\n") if line.strip()]
    for name, sign, _ in pairs:
        if not sign or not name.strip():
            raise Invalid(
                "invalid_message_data", f"{name.strip()[:64]!r} is no data: write screen=offers, one on a line"
            )
    return {name.strip(): value.strip() for name, _, value in pairs}
