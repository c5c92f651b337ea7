"""Messages from the page: sent to as many devices as a preview counted, and cancelled. Pure."""

import shlex
from collections import Counter
from collections.abc import Iterator, Mapping

import msgspec

from edge.control.shapes.messages import MessagePreview, MessageRequest, NewMessageRequest
from edge.domain.facts import DAY_SECONDS
from edge.domain.messaging.planning import LEFT_OUT_WORDS
from edge.domain.schedule.durations import format_duration
from edge.page.acts.confirmation import Caution, Touch
from edge.page.acts.message_form import DEFAULTS, WHENS, message_request
from edge.page.acts.moves import Act
from edge.page.acts.plans import ActPlan
from edge.page.words.numbers import count, named, things
from edge.page.words.times import moment

CREATE_MESSAGE = Act("create-message", "create_message", "Send", "Sending")
CANCEL_MESSAGE = Act("cancel-message", "cancel_message", "Cancel it", "Cancelling", danger=True, apart=True)


def plan_message(
    app: str, fields: Mapping[str, str], expected: int, now: float, preview: MessagePreview | None = None
) -> ActPlan:
    """Sent to `expected` devices, as `preview` counted, of which nothing is said without it. Raises Invalid."""
    request = message_request(fields)
    title = "the silent message" if request.silent else f"“{named(request.texts[0].title or request.texts[0].body)}”"
    return ActPlan(
        act=CREATE_MESSAGE,
        parts={"app": app},
        question=f"Send {title} to {things(expected, 'device')}, {WHENS.get(request.when, request.when)}?",
        verb=f"Send to {things(expected, 'device')}",
        command=_command(app, request, expected),
        done=f"a message to {things(expected, 'device')} is on its way",
        body=NewMessageRequest(**msgspec.structs.asdict(request), expected=expected),
        fields={**fields, "expected": str(expected)},
        touches=list(_touches(request, preview, now)) if preview is not None else (),
        cautions=list(_cautions(app, request, preview, now)) if preview is not None else (),
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
        touches=[Touch("Devices", "that have not got it yet will not get it.")],
        undoable=False,
    )


def _touches(request: MessageRequest, preview: MessagePreview, now: float) -> Iterator[Touch]:
    audience = f"of segment {named(request.segment)}" if request.segment else "that the expression selects"
    audience = audience if request.segment or request.where else "that registered"
    yield Touch(count(preview.planned), f"devices {audience} get it, of {count(preview.registered)} registered.")
    if len(preview.arms) > 1:
        for arm in sorted(set(preview.arms) - {"-"}):
            yield Touch(count(preview.arms[arm]), f"of them get text {arm}.")
    if preview.held_out:
        yield Touch(count(preview.held_out), "are held out, to see what it changes.")
    for reason, n in sorted(preview.left_out.items(), key=lambda pair: -pair[1]):
        yield Touch(count(n), f"{LEFT_OUT_WORDS.get(reason, reason)}.")
    if preview.unknown_zones:
        yield Touch(count(preview.unknown_zones), "are in an unknown time zone and go by UTC.")
    if preview.unknown_hours:
        yield Touch(count(preview.unknown_hours), "have no usual hour yet and go by the app's.")
    if preview.first_due and preview.last_due and preview.last_due > preview.first_due:
        first, last = moment(preview.first_due, now), moment(preview.last_due, now)
        yield Touch(first, f"is when the first is due, {last} the last (UTC).")


def _cautions(app: str, request: MessageRequest, preview: MessagePreview, now: float) -> Iterator[Caution]:
    if not preview.registered:
        yield Caution("It reaches nobody.", "No device has registered for messages yet.")
    elif not preview.planned:
        yield Caution("It reaches nobody.", "No registered device is left of those that it is for.")
    by_day = Counter[int]()
    for hour in preview.hours:
        by_day[int(hour.at // DAY_SECONDS)] += hour.n
    if max(by_day.values(), default=0) > preview.per_day:
        yield Caution(
            f"The app may send {count(preview.per_day)} messages a day.",
            f"Take a smaller share, or have the cap raised: edge message cap {app}",
        )
    elif (today := by_day[int(now // DAY_SECONDS)]) > preview.left_today:
        yield Caution(
            f"{count(today - preview.left_today)} of them are beyond today's cap.",
            "They do not get it: the day is UTC's.",
        )
    if request.silent:
        yield Caution(
            "It is best effort.", "A system wakes an app a few times an hour at most, and none that was closed."
        )


def _command(app: str, request: MessageRequest, expected: int) -> str:
    words = ["edge", "message", "create", app]
    for name in ("title", "body"):
        texts = [getattr(each, name) for each in request.texts]
        words += [word for text in texts for word in (f"--{name}", text)] if any(texts) else []
    words += [word for name, value in request.data.items() for word in ("--data", f"{name}={value}")]
    words += ["--silent"] if request.silent else []
    given = {"--segment": request.segment, "--where": request.where, "--quiet": request.quiet, "--cap": request.cap}
    given |= {"--when": request.when if request.when != DEFAULTS["when"] else ""}
    given |= {"--share": request.share if request.share != DEFAULTS["share"] else ""}
    given |= {"--hold-out": request.hold_out if request.hold_out not in ("0%", "0") else ""}
    given |= {"--ttl": format_duration(request.ttl_seconds) if request.ttl_seconds != 86_400 else ""}
    words += [word for name, value in given.items() if value for word in (name, value)]
    return shlex.join([*words, "--yes", str(expected)])
