"""The audit of this node, or of one app: who did, tried or read what, with filters in the address."""

import shlex
from collections.abc import Sequence
from typing import Any, NamedTuple
from urllib.parse import urlencode

from edge.control.shapes.insight.audit_page import AuditEntryView, AuditPageView
from edge.domain.facts import DAY_SECONDS
from edge.page.views.audit.about import told_target
from edge.page.views.visit import PageRoute, Shown, Visit
from edge.page.words.numbers import cleaned, count, named
from edge.page.words.times import moment, time_tag

PAGE = 100
TEXT_LIMIT = 128  # characters of a filter
PERIODS = {"1": "24 hours", "7": "7 days", "30": "30 days", "": "Everything kept"}
PERIOD_DEFAULT = "7"
KINDS = {
    "change": "Changes",
    "access": "Tokens, people and roles",
    "login,logout": "Logins",
    "export,erasure": "Exports and erasures",
    "audit": "Looks at the audit",
    "node": "Of the node",
    "read": "What may not be read",
}
_STATES = {
    "waiting": ("run", "waits for approval"),
    "refused": ("warn", "refused"),
    "failed": ("bad", "failed"),
    "unknown": ("warn", "cut off"),
}
_COLUMNS = (
    {"name": "When"},
    {"name": "Who"},
    {"name": "What", "cls": "nowrap"},
    {"name": "Outcome"},
    {"name": "About"},
)


class AuditFilter(NamedTuple):
    """As the address has it; "" is any."""

    days: str = PERIOD_DEFAULT
    who: str = ""
    kind: str = ""
    refused: str = ""

    @property
    def is_set(self) -> bool:
        return self != AuditFilter()

    def query(self, now: float, cursor: str) -> dict[str, str]:
        """For the API."""
        since = {"since_ms": str(int((now - int(self.days) * DAY_SECONDS) * 1000))} if self.days else {}
        told = {"who": self.who, "what": self.kind, "refused": self.refused and "true", "cursor": cursor}
        return {"limit": str(PAGE), **since, **{name: text for name, text in told.items() if text}}


async def show_audit(visit: Visit) -> Shown:
    app = visit.parts.get("app", "")
    wanted, cursor = filter_of(visit.query), visit.query.get("cursor", "")[:512]
    operation = "show_app_audit" if app else "show_audit"
    page: AuditPageView = await visit.ask(operation, query=wanted.query(visit.now, cursor))
    refused = sum(each.count for each in page.entries if each.outcome == "refused")
    values = {
        "wanted": wanted,
        "periods": list(PERIODS.items()),
        "kinds": list(KINDS.items()),
        "table": audit_table(page.entries, visit.now, of_app=bool(app)),
        "lede": lede_of(len(page.entries), refused, more=bool(page.next_page)),
        "older": f"{visit.path}?{urlencode({**wanted._asdict(), 'cursor': page.next_page})}" if page.next_page else "",
        "newest": f"{visit.path}?{urlencode(wanted._asdict())}" if cursor else "",
        "unmerged": count(page.unmerged_apps) if page.unmerged_apps else "",
        "command": command_of(app, wanted),
    }
    return Shown("audit.html", f"Audit · {named(app)}" if app else "Audit", values)


def filter_of(asked: Any) -> AuditFilter:
    """What is no choice of the form is the default."""
    days, kind = asked.get("days", PERIOD_DEFAULT), asked.get("kind", "")
    return AuditFilter(
        days if days in PERIODS else PERIOD_DEFAULT,
        asked.get("who", "").strip()[:TEXT_LIMIT],
        kind if kind in KINDS else "",
        "1" if asked.get("refused") == "1" else "",
    )


def lede_of(entries: int, refused: int, *, more: bool) -> str:
    """What is on the page."""
    if not entries:
        return "Nothing is recorded of that, as far as this page goes." if more else "Nothing is recorded of that."
    tried = f" {count(refused)} refused." if refused else " Nothing was refused."
    return (
        f"The newest {count(entries)} are here, and there are more.{tried}"
        if more
        else (f"{count(entries)} {'entry' if entries == 1 else 'entries'}.{tried}")
    )


def command_of(app: str, wanted: AuditFilter) -> str:
    """The command that lists the same."""
    words = ["edge", "audit"]
    words += ["--app", app] if app else []
    words += ["--since", f"{wanted.days}d"] if wanted.days else []
    words += ["--who", cleaned(wanted.who)] if wanted.who else []
    words += ["--what", wanted.kind] if wanted.kind else []
    return shlex.join([*words, *(["--refused"] if wanted.refused else [])])


def audit_table(entries: Sequence[AuditEntryView], now: float, *, of_app: bool) -> dict[str, Any]:
    """For the `table` macro. Names and targets are strangers' text."""
    return {
        "columns": _COLUMNS,
        "rows": [{"cells": _cells(each, now, of_app=of_app)} for each in entries],
        "none": {"text": "Nothing is recorded of that.", "command": ""},
    }


def _cells(each: AuditEntryView, now: float, *, of_app: bool) -> list[Any]:
    where = each.address + (" · page" if each.page else "") if each.address else "page" if each.page else ""
    state = _STATES.get(each.outcome)
    times = f"{count(each.count)} times since {moment(each.since, now)}" if each.count > 1 else _begun(each, now)
    about, reason = _about(each, of_app=of_app), cleaned(each.reason)[:200]
    return [
        time_tag(each.at, now),
        {"text": named(each.who) if each.who else "nobody known", "tone": "" if each.who else "quiet", "of": where},
        {"text": named(each.operation.replace("_", " ")), "of": each.kind},
        {"text": "done", "state": state, "of": " · ".join(part for part in (each.code, times) if part)},
        {"text": about, "of": reason} if about or reason else "",
    ]


def _begun(each: AuditEntryView, now: float) -> str:
    """Of what is recorded later than it happened."""
    return f"of {moment(each.since, now)}" if each.since else ""


def _about(each: AuditEntryView, *, of_app: bool) -> str:
    revision = f"r{each.revision}" if each.revision else ""
    said = each.summary or told_target(each.target)
    parts = ["" if of_app else named(each.app) if each.app else "", revision, cleaned(said)[:300]]
    return " · ".join(part for part in parts if part)


ROUTES = (PageRoute("/audit", "audit", show_audit), PageRoute("/apps/{app}/audit", "audit", show_audit))
