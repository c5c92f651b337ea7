"""Messages over the API, as far as no process that sends is needed."""

import pytest
from control_world import APP

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


async def test_a_message_has_the_id_that_was_answered_and_is_cancelled_by_it(api):
    """Also for who sends no key of his own with the request."""
    messages = f"/v1/apps/{APP}/messages"
    await api("POST", "/v1/apps", {"app": APP})
    made = await api("POST", messages, {"texts": [{"title": "Hello"}], "when": "now", "expected": 0})
    assert [each["id"] for each in (await api("GET", messages))["messages"]] == [made["message"]]
    assert (await api("POST", f"{messages}/{made['message']}/cancel"))["changed"] is True
