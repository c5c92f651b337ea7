"""A change that was not made and waits for approval: what is said of it, and waiting for the decision."""

import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from edge.cli.terminal.output import line, moment, note
from edge.domain.errors import Conflict, EdgeError

WAITS = 4  # exit code: nothing is made yet; a proposal waits for approval
ASK_SECONDS = 3.0  # between looks at a proposal
WAITING = "waiting"


class ChangeWaits(EdgeError):
    """The node's answer with status 202: the change waits as a proposal."""

    def __init__(self, answer: dict[str, Any]) -> None:
        super().__init__(answer["error"], answer["message"])
        self.answer = answer


def await_decision(
    answer: dict[str, Any], get: Callable[[str], Any], sleep: Callable[[float], None] = time.sleep
) -> None:
    """Return once the proposal is approved. Raises Conflict if it is decided otherwise."""
    app, proposal = answer["app"], answer["proposal"]
    note(f"proposal {proposal['id']} of app {app} waits for approval")
    path = f"/v1/apps/{quote(app, safe='')}/proposals/{quote(proposal['id'], safe='')}"
    while proposal["state"] == WAITING:
        sleep(ASK_SECONDS)
        proposal = get(path)
    if proposal["state"] != "approved":
        why = f": {proposal['decision']}" if proposal["decision"] else ""
        who = f" by {', '.join(proposal['decided_by'])}" if proposal["decided_by"] else ""
        raise Conflict(
            f"proposal_{proposal['state']}",
            f"proposal {proposal['id']} was {proposal['state']}{who}{why}; nothing was changed",
        )
    note(f"approved by {', '.join(proposal['decided_by'])}")


def print_waits(answer: dict[str, Any]) -> None:
    """That nothing is changed yet, and what makes it happen."""
    app, proposal = answer["app"], answer["proposal"]
    line(f"waits for approval: proposal {proposal['id']} of app {app}; nothing is changed yet")
    if proposal["people"]:
        line(f"  {proposal['people']} people have to stand behind it ({', '.join(proposal['kinds'])})")
    if proposal["expires"]:
        line(f"  it expires at {moment(proposal['expires'])}")
    named = f"{app} {proposal['id']}"
    line(f"  another person: edge proposal show {named}, then edge proposal approve {named}")
