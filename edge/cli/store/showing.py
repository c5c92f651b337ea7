"""How damaged objects are shown, to people and to programs."""

from edge.cli.terminal.output import counted, labelled, line
from edge.store.upkeep.damaged import DamagedObject

DAMAGED = 3  # the exit code: 1 says that it could not be verified


def view_damage(damage: DamagedObject) -> dict[str, object]:
    return {
        "kind": damage.kind.code,
        "key": damage.key,
        "fault": damage.fault,
        "detail": damage.detail,
        "app": damage.app or None,
        "name": damage.name or None,
        "also": damage.also,
        "means": damage.kind.means,
        "repairs": list(damage.repairs),
    }


def show_damage(each: DamagedObject) -> None:
    """One damaged object, for people."""
    where = f"{each.app}: " if each.app else ""
    more = f" (and of {counted(each.also, 'other bundle')})" if each.also else ""
    line(f"{'newer' if each.is_newer else 'damaged'}: {where}{each.detail}{more}")
    labelled("  file   ", each.key)
    if not each.is_newer:
        labelled("  devices", each.kind.means)
    for number, repair in enumerate(each.repairs):
        labelled("  or     " if number else "  repair ", repair)
    line("")
