"""Outcomes over HTTP: what is stored, and what is refused whole."""

import pytest
from control_world import APP, DEVICE, NOW, OTHER

from edge.control.shapes.outcomes import (
    AHEAD_LIMIT_SECONDS,
    OUTCOME_ID_LIMIT,
    OUTCOMES_BATCH_LIMIT,
    PAST_LIMIT_SECONDS,
)
from edge.telemetry.spool.app_records import Outcome, Outcomes
from edge.wire.app_events import VALUE_LIMIT

PATH = f"/v1/apps/{APP}/outcomes"
TICKET = {"name": "ticket", "id": "T-1", "at": NOW - 60, "device": DEVICE, "value": 2}


def stating(*outcomes):
    return {"outcomes": list(outcomes)}


async def test_outcomes_are_stored_as_they_were_meant(acme, world):
    rating = {"name": "rating", "id": "R-9", "at": NOW - 7, "custom_id": "user-7"}
    answer = await acme("POST", PATH, stating(TICKET | {"device": DEVICE.upper()}, rating), by="reporter-acme")
    assert answer == {"app": APP, "stored": 2, "repeated": 0, "unmatched": 2}
    ticket = Outcome("ticket", "T-1", int(NOW - 60) * 1000, DEVICE, "", 2.0)
    assert world.outcomes == [Outcomes(APP, [ticket, Outcome("rating", "R-9", int(NOW - 7) * 1000, "", "user-7")])]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"name": "a:b"}, "invalid_name"),
        ({"name": ""}, "invalid_body"),
        ({"id": "x" * (OUTCOME_ID_LIMIT + 1)}, "invalid_body"),
        ({"id": "a\nb"}, "invalid_outcome_id"),
        ({"device": "x" * 36}, "invalid_device_id"),
        ({"device": "phone"}, "invalid_body"),
        ({"device": None}, "invalid_outcome_device"),
        ({"custom_id": "user-7"}, "invalid_outcome_device"),
        ({"device": None, "custom_id": "x" * 37}, "invalid_body"),
        ({"at": NOW - PAST_LIMIT_SECONDS - 1}, "invalid_outcome_time"),
        ({"at": NOW + AHEAD_LIMIT_SECONDS + 1}, "invalid_outcome_time"),
        ({"at": (NOW - 60) * 1000}, "invalid_outcome_time"),
        ({"at": "2023-11-14"}, "invalid_body"),
        ({"value": VALUE_LIMIT * 2}, "invalid_body"),
        ({"value": "2"}, "invalid_body"),
        ({"nmae": "ticket"}, "invalid_body"),
    ],
)
async def test_one_that_is_wrong_is_named_and_nothing_is_stored(acme, world, changes, code):
    assert await acme("POST", PATH, stating(TICKET, TICKET | changes), status=422) == code
    assert world.outcomes == []


async def test_milliseconds_are_named_as_such(acme):
    headers = {"Authorization": f"Bearer {acme.secrets['root']}"}
    async with acme.client.post(PATH, json=stating(TICKET | {"at": NOW * 1000}), headers=headers) as answer:
        assert "it is in seconds, not milliseconds" in (await answer.json())["message"]


async def test_what_is_known_already_is_told_apart_and_nothing_is_where_figures_do_not_answer(acme, world):
    again = stating(TICKET, TICKET | {"value": 3}, TICKET | {"id": "T-2"})
    assert await acme("POST", PATH, again) == {"app": APP, "stored": 2, "repeated": 1, "unmatched": 2}
    world.figures_away = True
    assert await acme("POST", PATH, again) == {"app": APP, "stored": 3, "repeated": None, "unmatched": None}
    assert [len(each.of) for each in world.outcomes] == [3, 3]


async def test_the_ends_of_the_window_are_inside(acme, world):
    ends = [TICKET | {"at": NOW - PAST_LIMIT_SECONDS}, TICKET | {"at": NOW + AHEAD_LIMIT_SECONDS}]
    await acme("POST", PATH, stating(*ends))
    assert len(world.outcomes[0].of) == 2


async def test_a_batch_has_a_limit(acme, world):
    full = [TICKET | {"id": f"T-{number}"} for number in range(OUTCOMES_BATCH_LIMIT)]
    assert (await acme("POST", PATH, stating(*full)))["stored"] == OUTCOMES_BATCH_LIMIT
    too_many = stating(*[TICKET] * (OUTCOMES_BATCH_LIMIT + 1))
    assert await acme("POST", PATH, too_many, status=422) == "invalid_body"
    assert await acme("POST", PATH, stating(), status=422) == "invalid_body"


async def test_a_reporter_states_outcomes_of_its_app_and_does_nothing_else(acme):
    assert (await acme("POST", PATH, stating(TICKET), by="reporter"))["stored"] == 1
    other = f"/v1/apps/{OTHER}/outcomes"
    assert await acme("POST", other, stating(TICKET), by="reporter-acme", status=403) == "forbidden"
    assert await acme("GET", f"/v1/apps/{APP}", by="reporter-acme", status=403) == "forbidden"
    assert await acme("POST", PATH, stating(TICKET), by="reader-acme", status=403) == "forbidden"


async def test_outcomes_of_an_app_that_is_not_there_are_refused(acme):
    assert await acme("POST", "/v1/apps/com.unknown/outcomes", stating(TICKET), status=404) == "unknown_app"
