"""A new message over HTTP: a form, the number of devices that it would be sent to, and sending it to that many.

What is written goes with a form at every step, never in an address, and comes back with every refusal.
"""

import asyncio
import secrets
from collections.abc import Mapping
from urllib.parse import quote

from edge.control.shapes.apps import AppView
from edge.control.shapes.messages import MessagePreview
from edge.control.shapes.targeting import SegmentView
from edge.domain.app_parts.protection import ChangeKind
from edge.domain.errors import Conflict, EdgeError, Forbidden, Invalid, NotFound, TooLarge
from edge.page.acting import CHANGE_ID, REVISION, PageNotice, Planned, perform
from edge.page.acts.confirmation import Caution, Confirmation
from edge.page.acts.message_form import message_inputs, message_request
from edge.page.acts.message_plans import CREATE_MESSAGE, plan_message
from edge.page.acts.moves import foreign_words, proposing_verb
from edge.page.views.visit import Shown, Visit

NEW_PATH = "/apps/{app}/messages/new"
COUNTING_SECONDS = 15.0  # of the page's 20
EXPECTED_DIGITS = 9
UNKEPT = frozenset({"form_token", "step", "change", "revision", "expected", "reason"})

Refusal = EdgeError | PageNotice


async def show_new(visit: Visit) -> Shown:
    """The empty form."""
    return await _form(visit, {})


async def take_step(visit: Visit, form: Mapping[str, str]) -> Shown | tuple[str, PageNotice]:
    """The next page of a form that was sent: what it says is counted, changed, or sent."""
    fields = {name: text for name, text in form.items() if name not in UNKEPT}
    match form.get("step"):
        case "count":
            return await _counted(visit, fields)
        case "send":
            return await _sent(visit, form, fields)
        case "edit":
            return await _form(visit, fields)
    raise Invalid("invalid_form", "this form is incomplete: open the page and try again")


async def _form(visit: Visit, fields: Mapping[str, str], refusal: Refusal | None = None) -> Shown:
    _check_role(visit)
    segments: list[SegmentView] = await visit.ask("list_segments", {"app": visit.parts["app"]})
    error = refusal if isinstance(refusal, EdgeError) else None
    values = {
        "inputs": message_inputs([each.name for each in segments], fields, error),
        "refused": refusal if isinstance(refusal, PageNotice) else None,
        "back": _back(visit),
    }
    return Shown("message_form.html", "New message", values)


async def _counted(visit: Visit, fields: Mapping[str, str]) -> Shown:
    """How many devices would get it, with the id that sends it to the same ones."""
    _check_role(visit)
    app: AppView = await visit.ask("show_app")
    change = f"page-{secrets.token_hex(16)}"
    try:
        async with asyncio.timeout(COUNTING_SECONDS):
            preview: MessagePreview = await visit.inner.ask(
                visit.grant, "preview_message", visit.parts, body=message_request(fields), change_id=change
            )
        plan = plan_message(app.app, fields, preview.planned, visit.now, preview)
    except TimeoutError:
        rest = "A page does not wait for so many devices: use edge message create on the command line."
        return await _form(visit, fields, PageNotice("warn", "They could not be counted in time.", rest))
    except (Invalid, NotFound, Conflict, TooLarge) as error:
        return await _form(visit, fields, error)
    waits = app.approval_people if ChangeKind.MESSAGE in app.approval_kinds else 1
    asks = [Caution("It waits for approval.", f"{waits} people have to stand behind it.")] if waits > 1 else []
    ask = Confirmation(
        href=visit.path,
        back=_back(visit),
        question=plan.question,
        verb=proposing_verb(plan.verb) if asks else plan.verb,
        command=plan.command,
        revision=app.revision,
        change=change,
        touches=plan.touches,
        warnings=[*asks, *plan.cautions],
        fields=plan.fields,
        undoable=False,
        edit="Change it",
    )
    return Shown("message_form.html", plan.question, {"ask": ask})


async def _sent(visit: Visit, form: Mapping[str, str], fields: Mapping[str, str]) -> Shown | tuple[str, PageNotice]:
    """On to the messages; a refusal stands above the form."""
    _check_role(visit)
    expected, revision = form.get("expected", ""), form.get("revision", "")
    if not (expected.isascii() and expected.isdigit() and len(expected) <= EXPECTED_DIGITS):
        raise Invalid("invalid_form", "this form is incomplete: open the page and try again")
    if CHANGE_ID.fullmatch(form.get("change", "")) is None or REVISION.fullmatch(revision) is None:
        raise Invalid("invalid_form", "this form is incomplete: open the page and try again")
    try:
        plan = plan_message(visit.parts["app"], fields, int(expected), visit.now)
        after, notice = await perform(visit, form, Planned(plan, _back(visit), int(revision)))
    except (Invalid, NotFound, TooLarge) as error:
        return await _form(visit, fields, error)
    return (after, notice) if notice.kind == "run" else await _form(visit, fields, notice)


def _check_role(visit: Visit) -> None:
    """Raises Forbidden `forbidden`."""
    if foreign := foreign_words(visit.allows(CREATE_MESSAGE.operation), visit.grant.roles):
        raise Forbidden("forbidden", foreign)


def _back(visit: Visit) -> str:
    return f"/apps/{quote(visit.parts['app'], safe='')}/messages"
