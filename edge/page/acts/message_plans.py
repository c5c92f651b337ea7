"""Messages from the page: written, counted and sent by confirmation; cancelled by one. Pure."""

import shlex
from collections.abc import Mapping, Sequence

from edge.control.shapes.messages import MessagePreview, MessageRequest, MessageTextRequest, NewMessageRequest
from edge.page.acts.confirmation import AskInput, Caution, Touch
from edge.page.acts.moves import Act
from edge.page.acts.plans import ActPlan
from edge.page.words.numbers import count, named, things

CREATE_MESSAGE = Act("create-message", "create_message", "Send", "Sending")
CANCEL_MESSAGE = Act("cancel-message", "cancel_message", "Cancel it", "Cancelling", danger=True, apart=True)

ALL = "all registered devices"
_FIELDS = ("title", "body", "segment", "when", "quiet", "hold_out")


def ask_message(app: str, segments: Sequence[str], fields: Mapping[str, str], error: str = "") -> ActPlan:
    """What has to be said before it can be counted."""
    choices = [("", ALL), *((each, named(each)) for each in segments)]
    return ActPlan(
        act=CREATE_MESSAGE,
        parts={"app": app},
        question="What to send, to whom, and when?",
        verb="Count the devices",
        command="",
        done="",
        asked=(
            AskInput("title", "Title", fields.get("title", ""), limit=200, required=True, error=error),
            AskInput("body", "Text", fields.get("body", ""), limit=500),
            AskInput("segment", "To", fields.get("segment", ""), choices=choices),
            AskInput("when", 'When: now, best, "2026-12-01 09:00 local" or "… UTC"', fields.get("when", "now")),
            AskInput("quiet", "Quiet hours of each device, such as 22:00-08:00", fields.get("quiet", "")),
            AskInput("hold_out", "Held out, to see what it changes", fields.get("hold_out", "5%")),
        ),
    )


def message_request(fields: Mapping[str, str]) -> MessageRequest:
    """What the fields say."""
    return MessageRequest(
        texts=[MessageTextRequest(title=fields.get("title", ""), body=fields.get("body", ""))],
        when=fields.get("when", "").strip() or "now",
        segment=fields.get("segment", "") or None,
        quiet=fields.get("quiet", "").strip(),
        hold_out=fields.get("hold_out", "").strip() or "0%",
    )


def plan_message(app: str, fields: Mapping[str, str], preview: MessagePreview) -> ActPlan:
    """Sent to as many as were counted when the confirmation was made: a form states that."""
    given = fields.get("expected", "")
    expected = int(given) if given.isdigit() and len(given) < 10 else preview.planned
    request = message_request(fields)
    audience = f"of segment {named(request.segment)}" if request.segment else "that registered"
    touches = [Touch(count(preview.planned), f"devices {audience} get it, of {count(preview.registered)} registered")]
    if preview.held_out:
        touches.append(Touch(count(preview.held_out), "are held out, to see what it changes"))
    touches += [
        Touch(count(n), f"do not: {reason.replace('_', ' ')}") for reason, n in sorted(preview.left_out.items())
    ]
    cautions = [] if preview.planned else [Caution("It reaches nobody.", "No device that it is for has registered.")]
    said = {name: fields.get(name, "") for name in _FIELDS}
    return ActPlan(
        act=CREATE_MESSAGE,
        parts={"app": app},
        question=f"Send “{named(request.texts[0].title)}” to {things(preview.planned, 'device')}, {request.when}?",
        verb=f"Send to {things(preview.planned, 'device')}",
        command=_command(app, request, expected),
        done=f"a message to {things(expected, 'device')} is on its way",
        body=NewMessageRequest(
            texts=request.texts,
            when=request.when,
            segment=request.segment,
            quiet=request.quiet,
            hold_out=request.hold_out,
            expected=expected,
        ),
        fields=said | {"expected": str(expected)},
        touches=touches,
        cautions=cautions,
        undoable=False,
    )


def plan_cancel_message(app: str, message: str) -> ActPlan:
    return ActPlan(
        act=CANCEL_MESSAGE,
        parts={"app": app, "message": message},
        question="Send nothing more of this message? What devices have shown stays shown.",
        verb="Cancel it",
        command=shlex.join(["edge", "message", "cancel", app, message]),
        done=f"message {named(message)} cancelled",
        fields={"message": message},
        touches=[Touch("Devices", "that did not get it yet do not get it any more")],
        undoable=False,
    )


def _command(app: str, request: MessageRequest, expected: int) -> str:
    words = ["edge", "message", "create", app, "--title", request.texts[0].title]
    words += ["--body", request.texts[0].body] if request.texts[0].body else []
    words += ["--segment", request.segment] if request.segment else []
    words += ["--when", request.when] if request.when != "now" else []
    words += ["--quiet", request.quiet] if request.quiet else []
    words += ["--hold-out", request.hold_out] if request.hold_out not in ("0%", "0") else []
    return shlex.join([*words, "--yes", str(expected)])
