"""What admins do about people and tokens on the page: asked first, done by POST, and a secret shown once."""

import secrets
from collections.abc import Mapping
from urllib.parse import quote, urlencode

from edge.control.shapes.access.invitations import InvitationMade
from edge.control.shapes.access.people import OrganisationView, PermissionTable, PersonView
from edge.control.shapes.access.tokens import TokenMade, TokenRotated
from edge.domain.errors import EdgeError, Forbidden, Invalid
from edge.page.acting import CHANGE_ID, PageNotice
from edge.page.acts.confirmation import Confirmation
from edge.page.acts.insisting import on_page
from edge.page.acts.moves import foreign_words
from edge.page.acts.people_plans import ADD, REMOVE, Choices, plan_people_act
from edge.page.acts.plans import ActPlan
from edge.page.views.people.people import PEOPLE, MadeOnce, show_made
from edge.page.views.visit import Shown, Visit
from edge.page.words.numbers import named

ACTS_PATH = f"{PEOPLE}/acts/{{act}}"
PLACES_LIMIT = 500  # to pick from; a role elsewhere is given by the command


async def show_people_act(visit: Visit) -> Shown:
    """The confirmation, or the fields that it needs first."""
    fields = dict(visit.query)
    plan = await _planned(visit, fields)
    ask = Confirmation(
        href=f"{visit.path}?{urlencode(fields)}" if fields and not plan.asked else visit.path,
        back=_back(plan, fields),
        question=plan.question,
        verb=plan.verb,
        command=plan.command,
        revision=0,
        change=f"page-{secrets.token_hex(16)}",
        touches=plan.touches,
        warnings=plan.cautions,
        inputs=plan.asked,
        fields=plan.fields,
        danger=plan.act.danger,
        undoable=False,
        reasoned=False,
    )
    return Shown("act.html", plan.question, {"ask": ask, "asked": bool(plan.asked)})


async def perform_people_act(visit: Visit, form: Mapping[str, str], here: str) -> Shown | tuple[str, PageNotice]:
    """A page with what is shown once, or where to go on and what to say there. `here` is the page's own address."""
    change = form.get("change", "")
    if CHANGE_ID.fullmatch(change) is None:
        raise Invalid("invalid_form", "this form is incomplete: open the page and try again")
    fields = {**dict(visit.query), **form}
    plan = await _planned(visit, fields)
    if plan.asked:
        raise Invalid("invalid_form", "this form is incomplete: open the page and try again")
    back = _back(plan, fields)
    try:
        answer = await visit.inner.ask(visit.grant, plan.act.operation, plan.parts, body=plan.body, change_id=change)
    except EdgeError as error:
        if error.status >= 500:
            raise
        return back, PageNotice("bad", "Nothing was changed.", f"{on_page(error.message)} [{error.code}]")
    lead = f"{plan.done[:1].upper()}{plan.done[1:]}."
    match answer:
        case InvitationMade():
            link = f"{answer.page or here}{answer.path}"
            return await show_made(
                visit, MadeOnce(lead, "The link works once, for a day; it is shown this once.", link)
            )
        case TokenMade() | TokenRotated():
            return await show_made(visit, MadeOnce(lead, "The token is shown this once.", answer.token))
    if plan.act is ADD:
        return _person_href(answer.mail), PageNotice("run", lead)
    return back, PageNotice("run", lead, _absent(answer))


async def _planned(visit: Visit, fields: Mapping[str, str]) -> ActPlan:
    """Raises Forbidden `forbidden` before anything is shown."""
    table: PermissionTable = await visit.ask("show_permissions", {})
    plan = plan_people_act(
        visit.parts["act"], fields, Choices([each.name for each in table.roles], await _places(visit))
    )
    foreign = foreign_words(visit.allows(plan.act.operation), visit.grant.roles)
    if foreign:
        raise Forbidden("forbidden", foreign)
    return plan


async def _places(visit: Visit) -> list[str]:
    """Where the visitor may give something: everywhere, in organisations, in their apps."""
    organisations: list[OrganisationView] = await visit.ask("list_organisations", {})
    apps = await visit.ask("list_apps", {})
    everywhere = ["everything"] if any(str(hold.within) == "everything" for hold in visit.grant.holds) else []
    places = [*(f"org:{each.name}" for each in organisations), *(f"app:{each.app}" for each in apps)]
    return [*everywhere, *places][:PLACES_LIMIT]


def _back(plan: ActPlan, fields: Mapping[str, str]) -> str:
    person = fields.get("person", "")
    return _person_href(person) if person and plan.act is not REMOVE else PEOPLE


def _person_href(mail: str) -> str:
    return f"{PEOPLE}/{quote(mail, safe='')}"


def _absent(answer: object) -> str:
    absent = answer.absent if isinstance(answer, PersonView) else []
    return f"There is no {named(absent[0])} here yet: it counts once there is." if absent else ""
