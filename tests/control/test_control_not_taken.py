"""A change's answer says what workers did not take of it, and nothing where they took it."""

import pytest
from control_world import APP
from test_control_dry_run import CHANGES, released, send

from edge.store.damage import Damage, NotTaken

__all__ = ["released"]

ROTTEN = Damage(
    app=APP, grain="revision", name="9", effect="devices still get revision 8", cause="bad digest", repair="repair it"
)


@pytest.mark.parametrize("name", CHANGES)
async def test_every_change_says_what_workers_did_not_take(released, world, name):
    before, change = CHANGES[name]
    for each in before:
        assert "not_taken" not in await send(released, each)
    world.not_taken = NotTaken((ROTTEN,), silent=1)
    foreseen = await send(released, change, query="?dry_run=true")
    assert "not_taken" not in foreseen
    answered = await send(released, change)
    assert answered["not_taken"] == {
        "damaged": [{name: getattr(ROTTEN, name) for name in ROTTEN.__struct_fields__}],
        "silent_workers": 1,
    }
