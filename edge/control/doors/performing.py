"""One operation, carried out: witnessed for the audit, in the name of who asks, with what came of it."""

from typing import Any

import msgspec

from edge.control.auditing import Witness
from edge.control.calls import Call, InnerRequest
from edge.control.operations import NEEDS_APPROVAL, NOT_TAKEN
from edge.control.ports import ASKED_BY, Asker, ControlPorts
from edge.control.shapes.common import DamageView, NotTakenView
from edge.store.damage import NotTaken
from edge.store.releases import Rehearsed


async def perform(witness: Witness, call: Call[Any]) -> Any:
    await witness.begin(call)
    before = ASKED_BY.set(Asker(call.grant.name, isinstance(call.request, InnerRequest)))
    try:
        answer = await witness.operation.handle(call)
    finally:
        ASKED_BY.reset(before)
    await witness.done()
    if call.rehearsal is not None:
        return await _with_impact(answer, call.ports, call.rehearsal)
    if any(part != NotTaken() for part in call.not_taken):
        return _with_not_taken(answer, call.not_taken)
    return answer


async def _with_impact(answer: Any, ports: ControlPorts, rehearsal: list[Rehearsed]) -> dict[str, Any]:
    """The change's own answer, and its impact."""
    (rehearsed,) = rehearsal
    fields: dict[str, Any] = msgspec.to_builtins(answer)
    waits = {NEEDS_APPROVAL: rehearsed.waits} if rehearsed.waits else {}
    return fields | {"dry_run": True, "impact": await ports.known_devices.weigh(rehearsed)} | waits


def _with_not_taken(answer: Any, not_taken: list[NotTaken]) -> dict[str, Any]:
    """The change's own answer, and what workers did not take of it."""
    damaged = {each: None for part in not_taken for each in part.damaged}
    view = NotTakenView(
        damaged=[DamageView(**msgspec.structs.asdict(each)) for each in damaged],
        silent_workers=max(part.silent for part in not_taken),
    )
    fields: dict[str, Any] = msgspec.to_builtins(answer)
    return fields | {NOT_TAKEN: view}
