"""Publishing from the page over HTTP: a zip is dropped, what was found is shown, a person chooses, and it is published.

Nothing of a release changes before the last step; what is packed is an upload until then, on the token's quota.
"""

import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import msgspec
from aiohttp import web

from edge.bundles.intake.intake_messages import IntakeDone
from edge.control.shapes.apps import AppView
from edge.control.shapes.bundles import BundleDetail, StoreWarningView
from edge.domain.errors import Conflict, EdgeError, Forbidden, Invalid
from edge.domain.model import parse_version_name
from edge.page.acting import CHANGE_ID, REVISION, PageNotice, overtaken_by
from edge.page.acts.confirmation import Confirmation
from edge.page.acts.insisting import insisting_cautions, insisting_inputs, on_page
from edge.page.acts.moves import channel_base
from edge.page.acts.touching import cautions_of, touches_of
from edge.page.house import House, Visitor
from edge.page.publishing.drops import Drop, DropStage
from edge.page.publishing.receiving import receive_form
from edge.page.views.bundles.findings import (
    EVERY_DEFAULT,
    HOW,
    PUBLISH_FLAGS,
    STEPS_DEFAULT,
    PublishChoice,
    check_version,
    choice_of,
    command_of,
    figures_of,
    left_out_of,
    question_of,
    request_of,
    store_notes_of,
    warnings_of,
)
from edge.page.views.visit import Shown, Unread, Visit
from edge.page.words.numbers import named

FILE = "bundle"  # the form's field


async def take_drop(house: House, visitor: Visitor, visit: Visit, request: web.Request, check: Any) -> str:
    """Receive the form; the address of the drop. Raises Forbidden, and what receiving raises. `check` is that of the
    form's token."""
    app = visit.parts["app"]
    if not visit.allows("upload_blob"):
        role = visitor.grant.roles
        raise Forbidden("forbidden", f"your role {role} may not publish; an uploader or a developer may")
    await visit.ask("show_app", {"app": app})  # does it exist?

    async def check_fields(fields: Mapping[str, str]) -> None:
        check(fields)
        parse_version_name(check_version(fields.get("version", "")))

    async def receive(target: Path) -> dict[str, str]:
        fields = await receive_form(request, FILE, target, check_fields)
        return {"version": fields["version"].strip(), "file": fields[FILE]}

    async def keep(packed: IntakeDone) -> None:
        for blob in packed.blobs:
            await house.inner.upload(visitor.grant, app, blob.digest, Path(blob.path))

    drop = await house.drops.arrive(visitor.session.holder, app, house.now(), receive, keep)
    return drop_address(drop)


def drop_address(drop: Drop) -> str:
    return f"/apps/{quote(drop.app, safe='')}/drops/{drop.key}"


async def show_drop(house: House, visitor: Visitor, visit: Visit) -> Shown:
    """How far it is; what was found; and for a choice, whom it would touch."""
    drop = _find(house, visitor, visit)
    title = f"Publish {named(drop.version)}"
    values: dict[str, Any] = {"drop": drop, "version": named(drop.version), "base": _base(drop.app), "ask": None}
    if drop.packed is None or drop.stage is not DropStage.READY:
        return Shown("drop.html", title, values | {"waiting": drop.stage is DropStage.WAITING})
    app: AppView = await visit.ask("show_app", {"app": drop.app})
    choice = choice_of({name: visit.query[name] for name in visit.query})
    values |= await _found(visit, app, drop, drop.packed, choice)
    if choice is not None:
        ask, told = await _asked(visit, app, drop, drop.packed, choice)
        values |= {"ask": ask} | _store_notes(drop.app, drop.packed, told)
        said = (ask.code, ask.message) if isinstance(ask, Unread) else ("", "")
        values["insisting"] = insisting_inputs(choice.fields, PUBLISH_FLAGS, *said)
    return Shown("drop.html", title, values | {"waiting": False})


async def publish_drop(house: House, visitor: Visitor, visit: Visit, form: Mapping[str, str]) -> str:
    """Publish it as chosen; where to go on. Raises what the operation raises, apart from conflicts, which are told."""
    drop = _find(house, visitor, visit)
    choice, change, revision = choice_of(form), form.get("change", ""), form.get("revision", "")
    if (
        drop.packed is None
        or choice is None
        or CHANGE_ID.fullmatch(change) is None
        or REVISION.fullmatch(revision) is None
    ):
        raise Invalid("invalid_form", "this form is incomplete: open the page and try again")
    if choice.force and form.get("typed", "").strip() != drop.version:
        words = f"Type {named(drop.version)} into the form if you mean it. [not_typed]"
        visitor.session.notice = PageNotice("bad", "Nothing was published.", words)
        return f"{drop_address(drop)}?{urlencode(choice.fields)}"
    try:
        answer = await house.inner.ask(
            visitor.grant,
            "publish_bundle",
            {"app": drop.app},
            body=request_of(drop.version, drop.packed, choice),
            change_id=change,
            reason=form.get("reason", "").strip(),
            revision=int(revision),
        )
    except Conflict as error:
        overtaken = await overtaken_by(visit, int(revision), change)
        told = f"{on_page(error.message)} [{error.code}]"
        visitor.session.notice = overtaken or PageNotice("bad", "Nothing was published.", told)
        return drop_address(drop)
    house.drops.forget(drop)
    done = answer["revision"] if isinstance(answer, dict) else answer.revision
    words = f"r{done}: {named(drop.version)} published by {named(visitor.grant.name)}."
    history = f"{_base(drop.app)}/history"
    visitor.session.notice = PageNotice("run", words, "", history, "Undo it in the history")
    return channel_base(drop.app, choice.channel) if choice.channel else f"{_base(drop.app)}/bundles"


def _find(house: House, visitor: Visitor, visit: Visit) -> Drop:
    return house.drops.find(visit.parts["drop"], visitor.session.holder, visit.parts["app"], house.now())


def _base(app: str) -> str:
    return f"/apps/{quote(app, safe='')}"


async def _found(
    visit: Visit, app: AppView, drop: Drop, packed: IntakeDone, choice: PublishChoice | None
) -> dict[str, Any]:
    before, older = await _older(visit, app, choice)
    left_out, more = left_out_of(packed)
    may_offer = visit.allows("set_channel")
    return {
        "figures": figures_of(packed, before, older),
        "left_out": left_out,
        "more_left_out": more,
        "warnings": warnings_of(drop.version, packed),
        **_store_notes(drop.app, packed),
        "channels": [(each.name, named(each.name)) for each in app.channels] if may_offer else [],
        "may_offer": may_offer,
        "how": list(HOW.items()),
        "choice": choice or PublishChoice(),
        "steps_default": STEPS_DEFAULT,
        "every_default": EVERY_DEFAULT,
    }


def _store_notes(app: str, packed: IntakeDone, told: list[StoreWarningView] | None = None) -> dict[str, Any]:
    notes, unknown = store_notes_of(app, packed, told)
    return {"store_notes": notes, "store_unknown": unknown}


async def _older(visit: Visit, app: AppView, choice: PublishChoice | None) -> tuple[str, Any]:
    """What the chosen channel offers, or else the first public one, with its files."""
    wanted = [each for each in app.channels if choice is not None and each.name == choice.channel]
    offering = [each.served for each in (*wanted, *(each for each in app.channels if each.public)) if each.served]
    if not offering:
        return "", None
    found = await visit.attempt("show_bundle", {"app": app.app, "version": str(offering[0])})
    if isinstance(found, Unread):
        return "", None
    detail = await visit.decoded(found, BundleDetail)
    return detail.version, detail.entries or None


async def _asked(
    visit: Visit, app: AppView, drop: Drop, packed: IntakeDone, choice: PublishChoice
) -> tuple[Confirmation | Unread, list[StoreWarningView] | None]:
    """The confirmation, or the refusal of the dry run; and what it told of app stores."""
    try:
        request = request_of(drop.version, packed, choice)
        answer = await visit.inner.ask(visit.grant, "publish_bundle", {"app": drop.app}, body=request, dry_run=True)
    except EdgeError as error:
        return Unread(code=error.code, message=on_page(error.message)), None
    asked = Confirmation(
        href=visit.path,
        back=visit.path,
        question=question_of(drop.version, choice),
        verb=f"Publish {named(drop.version)}",
        command=command_of(drop.app, drop.version, drop.file, choice),
        revision=app.revision,
        change=f"page-{secrets.token_hex(16)}",
        touches=touches_of(answer),
        warnings=[*insisting_cautions(choice.fields), *cautions_of(answer)],
        typed=drop.version if choice.force else "",
        danger=bool(choice.force),
        fields=choice.fields,
        level=2,
    )
    return asked, msgspec.convert(answer["store_warnings"], list[StoreWarningView] | None)
