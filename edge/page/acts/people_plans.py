"""People, roles and tokens from the page: one operation each, asked before it is done. Pure.

None of them has a dry run: what a plan touches is said in words. What one may not give, the operation refuses.
"""

import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from edge.control.access.scopes import parse_scope_text, scope_words
from edge.control.shapes.access.people import HeldBody, PersonRequest
from edge.control.shapes.access.tokens import RotateRequest, TokenRequest
from edge.domain.errors import Invalid, NotFound
from edge.domain.schedule.durations import parse_duration
from edge.page.acts.confirmation import AskInput, Caution, Touch
from edge.page.acts.moves import Act
from edge.page.acts.plans import ActPlan
from edge.page.words.numbers import duration, named

ADD = Act("add-person", "add_person", "Add a person", "Adding")
INVITE = Act("invite", "invite_person", "Make an invitation", "Inviting", danger=True)
SIGN_OUT = Act("sign-out", "sign_person_out", "Sign out everywhere", "Signing out", danger=True)
REMOVE = Act("remove-person", "remove_person", "Remove", "Removing", danger=True, apart=True)
GIVE = Act("give-role", "grant_role", "Give a role", "Giving")
TAKE = Act("take-role", "revoke_role", "Take away", "Taking", danger=True)
MAKE_TOKEN = Act("make-token", "create_token", "Make a token", "Making")
ROTATE = Act("rotate-token", "rotate_token", "Give it a new secret", "Rotating")
REVOKE = Act("revoke-token", "revoke_token", "Revoke", "Revoking", danger=True)
KEPT = "24h"  # the former secret after a rotation, as of the command
NOTHING = ""  # no role yet


class Choices(NamedTuple):
    """What can be picked in a form: names of roles, and places as scopes are written."""

    roles: Sequence[str] = ()
    places: Sequence[str] = ()


def plan_people_act(name: str, fields: Mapping[str, str], choices: Choices) -> ActPlan:
    """Raises NotFound `unknown_act`, Invalid for fields that are not valid."""
    planner = _PLANNERS.get(name)
    if planner is None:
        raise NotFound("unknown_act", f"there is no act {name[:64]!r} on people")
    return planner({field: value.strip() for field, value in fields.items()}, choices)


def _plan_add(fields: Mapping[str, str], choices: Choices) -> ActPlan:
    mail, role = fields.get("mail", ""), fields.get("role", NOTHING)
    if not mail:
        asked = (
            AskInput("mail", "Mail address", fields.get("mail", ""), required=True, kind="email", limit=128),
            AskInput("words", "Name", fields.get("words", ""), limit=128),
            *_place_inputs(fields, choices, least=NOTHING),
        )
        return _asking(ADD, "Add whom?", asked)
    scope = _scope_of(fields)
    held = [HeldBody(role=role, scope=scope)] if role else []
    command = ["edge", "person", "add", mail, *(["--name", fields["words"]] if fields.get("words") else [])]
    command += ["--role", role, *_options(scope)] if role else []
    gets = f"will be {named(role)} of {named(_words(scope))}" if role else "holds no role yet, and is let in nowhere"
    return _plan(
        ADD,
        {},
        f"Add {named(mail)}?",
        "Add",
        command,
        f"added {named(mail)}",
        fields,
        PersonRequest(mail=mail, words=fields.get("words", ""), holds=held),
        Touch("1 person", f"{gets}. To sign in, the person needs an invitation or the login provider."),
    )


def _plan_invite(fields: Mapping[str, str], choices: Choices) -> ActPlan:
    mail = _needed(fields, "person")
    caution = Caution(
        "Whoever opens the link becomes this person.",
        "What the person signs in with now is void, and every session ends. Send it in a way that only they can read.",
    )
    return _plan(
        INVITE,
        {"person": mail},
        f"Make an invitation for {named(mail)}?",
        "Make the link",
        ["edge", "person", "invite", mail],
        f"invited {named(mail)}",
        fields,
        None,
        Touch("1 person", "gets a link that works once, for a day."),
        caution,
    )


def _plan_sign_out(fields: Mapping[str, str], choices: Choices) -> ActPlan:
    mail = _needed(fields, "person")
    return _plan(
        SIGN_OUT,
        {"person": mail},
        f"Sign {named(mail)} out everywhere?",
        "Sign out",
        ["edge", "person", "sign-out", mail],
        f"signed {named(mail)} out everywhere",
        fields,
        None,
        Touch("Sessions", "of the person end, and tokens for the command line; what they sign in with stays."),
    )


def _plan_remove(fields: Mapping[str, str], choices: Choices) -> ActPlan:
    mail = _needed(fields, "person")
    caution = Caution("Tokens that the person made end, too.", "To go on with one, give it a new secret first.")
    return _plan(
        REMOVE,
        {"person": mail},
        f"Remove {named(mail)}?",
        "Remove",
        ["edge", "person", "remove", mail],
        f"removed {named(mail)}",
        fields,
        None,
        Touch("1 person", "is signed out at once, loses every role, and is let in nowhere."),
        caution,
    )


def _plan_give(fields: Mapping[str, str], choices: Choices) -> ActPlan:
    mail = _needed(fields, "person")
    if not fields.get("role"):
        inputs = (
            *_place_inputs(fields, choices, least="viewer"),
            AskInput("person", "To", mail, choices=((mail, named(mail)),)),
        )
        return _asking(GIVE, f"Give {named(mail)} which role?", inputs)
    return _plan_role(GIVE, mail, fields["role"], _scope_of(fields), fields)


def _plan_take(fields: Mapping[str, str], choices: Choices) -> ActPlan:
    return _plan_role(TAKE, _needed(fields, "person"), _needed(fields, "role"), _scope_of(fields), fields)


def _plan_role(act: Act, mail: str, role: str, scope: str, fields: Mapping[str, str]) -> ActPlan:
    what, given = f"{named(role)} of {named(_words(scope))}", act is GIVE
    return _plan(
        act,
        {"person": mail},
        f"Make {named(mail)} {what}?" if given else f"Take {what} from {named(mail)}?",
        "Give the role" if given else "Take it away",
        ["edge", "person", "grant" if given else "revoke", mail, role, *_options(scope)],
        f"made {named(mail)} {what}" if given else f"took {what} from {named(mail)}",
        fields,
        HeldBody(role=role, scope=scope),
        Touch("1 person", "may do what the role says, from the next request on." if given else "may do it no longer."),
    )


def _plan_make_token(fields: Mapping[str, str], choices: Choices) -> ActPlan:
    name, role = fields.get("name", ""), fields.get("role", "")
    if not (name and role):
        asked = (
            AskInput("name", "Name", name, required=True, limit=64, hint="Of the machine or the job that uses it."),
            *_place_inputs(fields, choices, least="uploader"),
            AskInput("lifetime", "For how long", "90d", hint="Such as 90d; empty: until it is revoked."),
        )
        return _asking(MAKE_TOKEN, "Make a token for which machine?", asked)
    scope, lifetime = _scope_of(fields), fields.get("lifetime", "")
    seconds = parse_duration(lifetime) if lifetime else None
    command = ["edge", "token", "create", name, "--role", role, *_options(scope)]
    command += ["--for", lifetime] if lifetime else []
    scopes = [] if scope == "everything" else [scope]
    until = f"for {duration(seconds)}" if seconds else "until it is revoked"
    gets = f"will be {named(role)} of {named(_words(scope))}, {until}, and no longer than you are here."
    return _plan(
        MAKE_TOKEN,
        {},
        f"Make the token {named(name)}?",
        "Make it",
        command,
        f"made the token {named(name)}",
        fields,
        TokenRequest(name=name, role=role, scopes=scopes, lifetime_seconds=seconds),
        Touch("1 machine", gets),
    )


def _plan_rotate(fields: Mapping[str, str], choices: Choices) -> ActPlan:
    name, kept = _needed(fields, "token"), parse_duration(KEPT)
    return _plan(
        ROTATE,
        {"name": name},
        f"Give the token {named(name)} a new secret?",
        "Make the secret",
        ["edge", "token", "rotate", name, "--keep", KEPT],
        f"gave the token {named(name)} a new secret",
        fields,
        RotateRequest(keep_seconds=kept),
        Touch(
            "1 machine", f"has {duration(kept)} to change over: both secrets work until then. It is in your hands now."
        ),
    )


def _plan_revoke(fields: Mapping[str, str], choices: Choices) -> ActPlan:
    name = _needed(fields, "token")
    return _plan(
        REVOKE,
        {"name": name},
        f"Revoke the token {named(name)}?",
        "Revoke it",
        ["edge", "token", "revoke", name],
        f"revoked the token {named(name)}",
        fields,
        None,
        Touch("Machines", "that use it are refused from the next request on."),
    )


_PLANNERS: Mapping[str, Callable[[Mapping[str, str], Choices], ActPlan]] = {
    ADD.name: _plan_add,
    INVITE.name: _plan_invite,
    SIGN_OUT.name: _plan_sign_out,
    REMOVE.name: _plan_remove,
    GIVE.name: _plan_give,
    TAKE.name: _plan_take,
    MAKE_TOKEN.name: _plan_make_token,
    ROTATE.name: _plan_rotate,
    REVOKE.name: _plan_revoke,
}


def _plan(
    act: Act,
    parts: Mapping[str, str],
    question: str,
    verb: str,
    command: Sequence[str],
    done: str,
    fields: Mapping[str, str],
    body: object,
    touch: Touch,
    *cautions: Caution,
) -> ActPlan:
    return ActPlan(
        act=act,
        parts=parts,
        question=question,
        verb=verb,
        command=shlex.join(command),
        done=done,
        body=body,
        fields=fields,
        touches=(touch,),
        cautions=cautions,
        undoable=False,
    )


def _asking(act: Act, question: str, asked: Sequence[AskInput]) -> ActPlan:
    return ActPlan(act=act, parts={}, question=question, verb="Go on", command="", done="", asked=asked)


def _place_inputs(fields: Mapping[str, str], choices: Choices, *, least: str) -> tuple[AskInput, ...]:
    """`least` is the role that is picked until another one is: never the one that may do everything."""
    roles = [*([] if least else [(NOTHING, "none yet")]), *((each, named(each)) for each in choices.roles)]
    places = [(each, named(_words(each))) for each in choices.places]
    return (
        AskInput("role", "Role", fields.get("role", least), choices=roles),
        AskInput("scope", "Where", fields.get("scope", ""), choices=places),
        AskInput("channel", "Channel", hint="If it is one app: the only channel. Empty: all of them.", limit=128),
    )


def _scope_of(fields: Mapping[str, str]) -> str:
    """Raises Invalid `invalid_scope`, and as `parse_scope_text`."""
    scope, channel = fields.get("scope", ""), fields.get("channel", "")
    if not channel:
        return str(parse_scope_text(scope))
    if not scope.startswith("app:"):
        raise Invalid("invalid_scope", "a channel is one of an app: pick the app, too")
    return str(parse_scope_text(f"{scope}/{channel}"))


def _words(scope: str) -> str:
    return scope_words(parse_scope_text(scope))


def _options(scope: str) -> list[str]:
    """Of the command."""
    kind, _, rest = scope.partition(":")
    app, slash, channel = rest.partition("/")
    if kind == "app":
        return ["--app", app, *(["--channel", channel] if slash else [])]
    return ["--org", rest] if kind == "org" else []


def _needed(fields: Mapping[str, str], name: str) -> str:
    """Raises Invalid `invalid_form`."""
    if not fields.get(name):
        raise Invalid("invalid_form", f"this address is incomplete ({name}): begin on the page of people")
    return fields[name]
