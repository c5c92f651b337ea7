"""The messages of an app, how far each is, and of one what became of it and what it changed."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from edge.control.shapes.apps import AppView
from edge.control.shapes.messages import MessageLine, MessagesView, MessageView
from edge.control.shapes.push.credentials import PushCredentialsView
from edge.domain.messaging.planning import LEFT_OUT_WORDS
from edge.domain.pushing.payload import ProviderKind
from edge.page.acts.message_plans import CANCEL_MESSAGE
from edge.page.views.visit import Crumb, PageRoute, Shown, Unread, Visit
from edge.page.words.numbers import cleaned, count, named, things
from edge.page.words.times import moment

LISTED = 100
UNKNOWN = "not known"
_STATES = {
    "waiting": ("idle", "waits for its time"),
    "planning": ("run", "being planned"),
    "sending": ("run", "being sent"),
    "done": ("good", "done"),
    "cancelled": ("idle", "cancelled"),
    "stopped": ("bad", "stopped"),
}
_BEST_EFFORT = "Silent: systems wake an app two or three times an hour at most, and not one that was swiped away."


async def show_messages(visit: Visit) -> Shown:
    app: AppView = await visit.ask("show_app")
    found: MessagesView = await visit.ask("list_messages")
    given: list[PushCredentialsView] | Unread = await visit.attempt("list_push_credentials")
    base = f"/apps/{quote(app.app, safe='')}"
    values = {
        "lede": _lede(found),
        "table": _table(base, app.app, found, visit.now),
        "halted": [
            f"{each.provider} refuses them ({each.code}), and nothing goes through it until they are set again."
            for each in found.halted
        ],
        "unknown": not found.known,
        "create": f"{base}/messages/new" if visit.allows("create_message") else "",
        "caps": _caps(found),
        "providers": None if isinstance(given, Unread) else _providers(given, found, visit.now),
        "unread": given if isinstance(given, Unread) else None,
        "app": app.app,
    }
    return Shown("messages.html", f"Messages · {named(app.app)}", values)


async def show_message(visit: Visit) -> Shown:
    app: AppView = await visit.ask("show_app")
    found: MessageView = await visit.ask("show_message")
    line, base = found.line, f"/apps/{quote(app.app, safe='')}"
    open_ = line.state in ("waiting", "planning", "sending")
    address = f"{base}/acts/{CANCEL_MESSAGE.name}?{urlencode({'message': line.id})}"
    values = {
        "heading": _title(line),
        "lede": _sentence(line),
        "texts": [
            {"name": f"{text.name if len(line.texts) > 1 else ''} {of}".strip()}
            | {"title": cleaned(each.title), "body": cleaned(each.body)}
            for text in line.texts
            for of, each in [("", text), *text.locales.items()]
        ],
        "silent": _BEST_EFFORT if line.silent else "",
        "facts": _facts(found, visit.now),
        "sends": _sends(found),
        "arms": _arms(found),
        "effects": [each.words for each in found.effects],
        "compared": len(line.texts) > 1 or found.hold_out != "0%",
        "hours": found.effect_hours,
        "cancel": address if open_ and visit.allows("cancel_message") else "",
    }
    crumbs = [Crumb("All apps", "/"), Crumb(app.app, base), Crumb("Messages", f"{base}/messages"), Crumb(_title(line))]
    return Shown("message.html", f"{_title(line)} · {named(app.app)}", values, crumbs)


def _lede(found: MessagesView) -> str:
    moving = sum(each.state in ("planning", "sending") for each in found.messages)
    stopped = sum(each.state == "stopped" for each in found.messages)
    registered = f"{things(found.registered, 'device')} registered for messages"
    tokens = ", ".join(f"{count(n)} by {name}" for name, n in sorted(found.tokens.items()))
    parts = [f"{registered}{f' ({tokens})' if tokens else ''}."]
    if stopped:
        parts.append(f"{things(stopped, 'message is', 'messages are')} stopped.")
    parts.append(f"{things(moving, 'message is', 'messages are')} being sent." if moving else "Nothing is being sent.")
    return " ".join(parts)


def _caps(found: MessagesView) -> str:
    each = f", {found.device_cap} to one device" if found.device_cap else ""
    return f"{count(found.begun_today)} of {count(found.per_day)} sends begun today (UTC){each}"


def _table(base: str, app: str, found: MessagesView, now: float) -> dict[str, Any]:
    columns = [
        *({"name": name} for name in ("Message", "State", "To", "When")),
        {"name": "Sent", "num": True},
        {"name": "Not delivered", "num": True},
    ]
    order = {"stopped": 0, "sending": 1, "planning": 1, "waiting": 2}
    lines = sorted(found.messages, key=lambda line: (order.get(line.state, 3), -line.created))[:LISTED]
    rows = [{"cells": _cells(base, line, now)} for line in lines]
    none = {"text": "No messages yet.", "command": f"edge message create {app} --title TEXT"}
    return {"columns": columns, "rows": rows, "none": none}


def _cells(base: str, line: MessageLine, now: float) -> list[Any]:
    failed = sum(line.sends.get(state, 0) for state in ("failed", "dead", "unknown", "expired", "capped", "gone"))
    return [
        {"text": _title(line), "href": f"{base}/messages/{quote(line.id, safe='')}", "of": moment(line.created, now)},
        {"state": ("run", "about to be sent") if _is_due(line) else _STATES[line.state]},
        {"text": named(line.audience)},
        {"text": _when(line)},
        {"text": count(line.sends.get("sent", 0)), "of": f"of {count(line.planned)}"} if line.planned else UNKNOWN,
        count(failed) if line.planned else UNKNOWN,
    ]


def _providers(given: list[PushCredentialsView], found: MessagesView, now: float) -> dict[str, Any]:
    """Each with its credentials, as far as they are no secret."""
    when: Any
    there, refused = {each.provider: each for each in given}, {each.provider for each in found.halted}
    rows = []
    for kind in ProviderKind:
        each = there.get(kind)
        if each is None:
            state, what, when = ("idle", "not set"), "", ""
        else:
            good = ("good", "set") if each.openable else ("bad", "sealed with a key that this node lacks")
            state = ("bad", "refused by the provider") if kind.value in refused else good
            what = ", ".join(f"{n.replace('_', ' ')} {v}" for n, v in each.shown.items() if n != "public_key")
            when = {"text": moment(each.set, now), "of": f"by {named(each.by)}"}
        rows.append(
            {"cells": [kind.value, {"state": state}, cleaned(what), when, count(found.tokens.get(kind.value, 0))]}
        )
    names = ("Provider", "Credentials", "Details", "Set")
    return {"columns": [*({"name": name} for name in names), {"name": "Devices", "num": True}], "rows": rows}


def _title(line: MessageLine) -> str:
    text = line.texts[0]
    return "Silent message" if line.silent else named(text.title or text.body)


def _is_due(line: MessageLine) -> bool:
    return line.state == "waiting" and line.when == "now"


def _when(line: MessageLine) -> str:
    return "each device's best hour" if line.when == "best" else line.when


def _sentence(line: MessageLine) -> str:
    """What is known of it, and never more."""
    sent = f"sent to {count(line.sends.get('sent', 0))} of {things(line.planned, 'device')}"
    match line.state:
        case "waiting" if _is_due(line):
            return f"It is about to be sent; {things(line.expected, 'device')} when it was counted."
        case "waiting":
            return f"It waits for its time ({_when(line)}); {things(line.expected, 'device')} when it was counted."
        case "planning":
            return f"Its devices are being found: {count(line.planned)} so far. Nothing is sent before all are."
        case "sending":
            return f"It is being sent: {sent}."
        case "cancelled":
            return f"It was cancelled: {sent} before." if line.planned else "It was cancelled before it was planned."
        case "stopped":
            return f"The node stopped it ({line.why}): {sent}."
        case "done":
            return f"It is done: {sent}."


def _facts(found: MessageView, now: float) -> list[tuple[str, str]]:
    line = found.line
    pairs = [
        ("To", named(line.audience)),
        ("When", _when(line)),
        ("Quiet hours", found.quiet or "none"),
        ("Cap of a device", found.cap or "none of its own"),
        ("Share", found.share),
        ("Held out", f"{found.hold_out}, {things(line.held_out, 'device')}"),
        ("Too old after", f"{found.ttl_seconds // 3_600:,} h"),
        ("Created", moment(line.created, now)),
    ]
    pairs += (
        [("Data", ", ".join(f"{name}={cleaned(value)}" for name, value in found.data.items()))] if found.data else []
    )
    left_out = "; ".join(f"{count(n)} {LEFT_OUT_WORDS.get(why, why)}" for why, n in sorted(found.left_out.items()))
    return [*pairs, ("Left out", left_out or "nobody")]


def _sends(found: MessageView) -> dict[str, Any]:
    """By state, with why."""
    why: dict[str, list[str]] = {}
    for each in found.codes:
        why.setdefault(each.state, []).append(f"{named(each.code)} {count(each.n)}")
    rows = [
        {"cells": [state, {"text": count(n), "of": f"of {count(found.line.planned)}"}, ", ".join(why.get(state, ()))]}
        for state, n in sorted(found.line.sends.items(), key=lambda pair: -pair[1])
    ]
    columns: list[Mapping[str, Any]] = [{"name": "State"}, {"name": "Devices", "num": True}, {"name": "Why"}]
    return {"columns": columns, "rows": rows, "none": {"text": "Not planned yet.", "command": ""}}


def _arms(found: MessageView) -> dict[str, Any]:
    names = ("Assigned", "Measured", "Opened it", "Had a session", "Installed an update", "Sessions")
    columns = [{"name": "Who"}, *({"name": name, "num": True} for name in names)]
    rows = [
        {
            "cells": [
                "held out" if each.arm == "-" else f"text {each.arm}",
                *map(count, (each.assigned, each.devices, each.opened, each.active, each.updated, each.sessions)),
            ]
        }
        for each in found.arms
    ]
    return {"columns": columns, "rows": rows, "none": {"text": "No figures yet.", "command": ""}}


ROUTES = (
    PageRoute("/apps/{app}/messages", "messages", show_messages),
    PageRoute("/apps/{app}/messages/{message}", "messages", show_message),
)
