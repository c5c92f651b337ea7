"""Messages over the API, as far as no process that sends is needed."""

import pytest

from edge.control.routes.messages import check_open
from edge.domain.errors import Conflict
from edge.push.plan_run import StoredCounts
from edge.push.questions import MessageProgress, MessagesFound


def test_a_message_that_is_done_cannot_be_cancelled():
    phases = {"m-1": "done", "m-2": "sending", "m-3": "stopped"}
    lines = [MessageProgress(name, phase, "", StoredCounts(), []) for name, phase in phases.items()]
    found = MessagesFound(lines, [], 0, {}, 0)
    for name in ("m-2", "m-3", "m-4"):
        check_open(found, name)
    with pytest.raises(Conflict) as refused:
        check_open(found, "m-1")
    assert refused.value.code == "message_over"
