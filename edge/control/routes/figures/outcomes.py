"""Outcomes: support tickets, ratings, revenue, as the team's own systems state them."""

from edge.control.access.roles import Permission
from edge.control.calls import Call, load_app
from edge.control.operations import Operation
from edge.control.shapes.outcomes import OutcomeRequest, OutcomesRequest, OutcomesStored, read_outcome
from edge.domain.errors import Invalid
from edge.telemetry.spool.app_records import Outcome, Outcomes


async def handle_state(call: Call[OutcomesRequest]) -> OutcomesStored:
    """Nothing is stored unless all of them are in order."""
    await load_app(call)
    now = call.ports.clock.now()
    stated = [_outcome(place, each, now) for place, each in enumerate(call.body.outcomes)]
    outcomes = Outcomes(call.app, stated)
    known = await call.ports.telemetry.known_outcomes(outcomes)
    await call.ports.outcomes.keep(outcomes, now)
    if known is None:
        return OutcomesStored(app=call.app, stored=len(stated), repeated=None, unmatched=None)
    new = len(stated) - known.repeated
    return OutcomesStored(app=call.app, stored=new, repeated=known.repeated, unmatched=known.unmatched)


def _outcome(place: int, given: OutcomeRequest, now: float) -> Outcome:
    try:
        return read_outcome(given, now)
    except Invalid as error:
        raise Invalid(error.code, f"outcomes[{place}]: {error.message}") from error


OPERATIONS = (
    Operation(
        name="state_outcomes",
        method="POST",
        path="/v1/apps/{app}/outcomes",
        summary="State what came of devices elsewhere: tickets, ratings, revenue; on disk before the answer",
        permission=Permission.STATE_OUTCOMES,
        handle=handle_state,
        answer=OutcomesStored,
        body=OutcomesRequest,
        refusals=(503,),
    ),
)
