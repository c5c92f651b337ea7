"""What an act was about, in words: from the target that its record has. Pure."""

import json
import re

from edge.control.access.scopes import EVERYTHING, parse_scope_text, scope_words
from edge.control.audit.repeats import BETWEEN
from edge.domain.errors import EdgeError

_PAIR = re.compile(r'([a-z_]+)=("(?:[^"\\]|\\.)*"|[^\s"]+)(?: |$)')
# What stands before a value; the part's own name for others.
_WORDS = {
    **dict.fromkeys(("name", "person", "mail", "version"), ""),
    **dict.fromkeys(("scope", "scopes"), "for"),
    "holds": "with",
    "networks": "from",
    "device": "device with the digest",
}
_SCOPED = ("scope", "scopes", "holds")


def told_target(target: str) -> str:
    """`name=ci role=reader` is `ci, role reader`; what is not of that form stays as it is."""
    return BETWEEN.join(map(_told, target.split(BETWEEN)))


def _told(target: str) -> str:
    parts = []
    place = 0
    while place < len(target):
        found = _PAIR.match(target, place)
        if found is None:
            return target
        try:
            parts.append(_part(found[1], json.loads(found[2]) if found[2].startswith('"') else found[2]))
        except ValueError:
            return target
        place = found.end()
    return ", ".join(parts)


def _part(name: str, value: str) -> str:
    if name in _SCOPED:
        value = ", ".join(_scoped(each) for each in value.split(","))
    else:
        value = value.replace(",", ", ") if name in ("roles", "networks", "permissions") else value
    before = _WORDS.get(name, name.replace("_", " "))
    return f"{before} {value}" if before else value


def _scoped(text: str) -> str:
    """A scope, or a role and where it is held."""
    try:
        return scope_words(parse_scope_text(text))
    except EdgeError:
        role, _, scope = text.partition(":")
    try:
        where = parse_scope_text(scope)
        return role if where == EVERYTHING else f"{role} of {scope_words(where)}"
    except EdgeError:  # what was refused may be anything
        return text
