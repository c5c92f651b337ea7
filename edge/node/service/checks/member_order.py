"""Templates whose members may stand in any order: some systems write them in another one at each start of an app.

JSON gives the order no meaning. So all orders of a template share one form, its members sorted; but only where the
pieces between `,"` are shown to be whole members, each with a name of its own. Pure.
"""

import msgspec

from edge.node.service.checks.template import CUSTOM, DEVICE

MEMBERS_LIMIT = 32  # a plugin's check has 13; to sort many more would cost as much as to parse them

_BETWEEN = b',"'
_object = msgspec.json.Decoder(dict[str, object])


def form_of_members(template: bytes) -> bytes | None:
    """The same bytes for all orders of the template's pieces, if it has the shape of an object without white space. It
    begins as no JSON text does, so it is never a template that means something."""
    if template[:2] != b'{"' or template[-1:] != b"}":
        return None
    pieces = template[2:-1].split(_BETWEEN, MEMBERS_LIMIT)
    if len(pieces) > MEMBERS_LIMIT:
        return None
    pieces.sort()
    return _BETWEEN + _BETWEEN.join(pieces)


def sorted_template(form: bytes) -> bytes:
    """One of the templates that have the form."""
    return b"{" + form[1:] + b"}"


def has_any_order(form: bytes) -> bool:
    """Whether all templates of the form mean the same, if one of them means anything.

    Each piece has to be an object with one name when it stands alone: then it begins and ends where a member does,
    wherever it stands. No name may occur twice, however it is escaped: of two, the last counts. And the ids must be cut
    out at the same place in any order, so nothing else may look like their names.
    """
    template = sorted_template(form)
    if template.count(DEVICE) != 1 or template.count(CUSTOM) > 1:
        return False
    names: set[str] = set()
    pieces = form[2:].split(_BETWEEN)
    for piece in pieces:
        try:
            alone = _object.decode(b'{"' + piece + b"}")
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return False
        if len(alone) != 1:
            return False
        names.update(alone)
    return len(names) == len(pieces)
