"""Deleting an app and pruning its bundles over HTTP: who may, what stays, what the answer states, and the undo."""

import pytest
from control_world import APP, OTHER, pack
from factories import a_change

from edge.domain.changes.commands import DeleteApp

APPS, IT = "/v1/apps", f"/v1/apps/{APP}"
CHANNELS, BUNDLES, PRUNE = f"{IT}/channels", f"{IT}/bundles", f"{IT}/bundles/prune"
COMMON = "the same in every version" * 50


@pytest.fixture
async def released(acme):
    await acme("POST", CHANNELS, {"name": "stable", "public": True})
    for number in range(5):
        await acme.publish(
            f"1.{number}.0", pack(page=str(number), common=COMMON), channel="stable" if number > 2 else None
        )
    return acme


async def test_a_deleted_app_is_unknown_and_its_history_stays(released, world):
    before = await released("GET", IT)
    done = await released("DELETE", IT)
    assert done == {"app": APP, "revision": before["revision"] + 1, "changed": True}
    assert world.announced[-1] == (APP, world.releases.last_head(APP))
    assert await released("GET", APPS) == []
    for method, path in (("GET", IT), ("GET", CHANNELS), ("GET", BUNDLES), ("DELETE", IT), ("GET", f"{BUNDLES}/1.0.0")):
        assert await released(method, path, status=404) == "unknown_app"
    assert await released("POST", CHANNELS, {"name": "x"}, status=404) == "unknown_app"
    assert await released("PUT", f"{IT}/blobs/{'0' * 64}", content=b"x", status=404) == "unknown_app"
    lines = await released("GET", f"{IT}/history")
    assert (lines[0]["kind"], lines[0]["by"], lines[-1]["revision"]) == ("delete_app", "root", 1)
    assert [(each["channel"], each["after"]) for each in lines[0]["channels"]] == [("stable", None)]


async def test_an_app_that_is_created_again_does_not_give_its_names_away(released):
    await released("DELETE", IT)
    again = await released("POST", APPS, {"app": APP})
    assert (again["changed"], again["bundles"], again["channels"]) == (True, 0, [])
    assert await released.publish("1.0.0", pack(page="other"), status=409) == "version_taken"
    assert (await released.publish("1.0.0", pack(page="0", common=COMMON)))["changed"]


async def test_an_undo_brings_it_back_and_only_for_who_may_delete_it(released):
    before = await released("GET", IT)
    await released("DELETE", IT)
    assert await released("POST", f"{IT}/undo", {}, by="publisher-acme", status=403) == "forbidden"
    assert (await released("POST", f"{IT}/undo", {}))["undone"]["kind"] == "delete_app"
    assert await released("GET", IT) == before | {"revision": before["revision"] + 2}


async def test_an_undo_that_deletes_an_app_needs_the_right_to_delete_it(released):
    await released("DELETE", IT)
    await released("POST", APPS, {"app": APP})
    for asked in ({}, {"force": True}):
        for query in ("", "?dry_run=true"):
            refused = await released("POST", f"{IT}/undo{query}", asked, by="publisher-acme", status=403)
            assert refused == "forbidden"
    assert (await released("GET", IT))["channels"] == []
    assert (await released("POST", f"{IT}/undo", {}))["undone"]["kind"] == "create_app"
    assert await released("GET", IT, status=404) == "unknown_app"


async def test_a_publisher_does_not_undo_a_deletion_that_comes_between(released, world):
    """The deletion lands after the request is checked and before its commit."""
    revision = (await released("GET", IT))["revision"]
    history = world.releases.history

    def and_then_it_is_deleted(*asked):
        lines = history(*asked)
        world.releases.commit(APP, a_change(DeleteApp(app=APP)))
        return lines

    world.releases.history = and_then_it_is_deleted
    undo = {"revision": revision + 1}
    assert await released("POST", f"{IT}/undo", undo, by="publisher-acme", status=403) == "forbidden"
    assert world.releases.last_head(APP).deleted


async def test_a_repeated_creation_does_not_bring_it_back(acme):
    key = {"Idempotency-Key": "once"}
    await acme("POST", APPS, {"app": OTHER}, headers=key)
    await acme("DELETE", f"/v1/apps/{OTHER}")
    assert await acme("POST", APPS, {"app": OTHER}, headers=key, status=404) == "unknown_app"
    assert [each["app"] for each in await acme("GET", APPS)] == [APP]


async def test_only_an_admin_deletes_an_app(released):
    for by in ("publisher", "publisher-acme", "uploader", "reader"):
        assert await released("DELETE", IT, by=by, status=403) == "forbidden"
    assert await released("GET", IT)


async def test_pruning_reports_what_it_removes_and_what_that_frees(released, world):
    foreseen = await released("POST", f"{PRUNE}?dry_run=true", {"keep": 1})
    assert [each["version"] for each in foreseen["removed"]] == ["1.0.0", "1.1.0", "1.2.0"]
    assert foreseen["impact"]["removed"] == ["1.0.0", "1.1.0", "1.2.0"] and foreseen["impact"]["channels"] == []
    done = await released("POST", PRUNE, {"keep": 1})
    assert done == {name: foreseen[name] for name in done}
    own = sum(
        len(content)
        for number in range(3)
        for name, content in pack(page=str(number), common=COMMON).blobs.items()
        if name not in pack(page="4", common=COMMON).blobs
    )
    assert (done["kept"], done["bytes"]) == (2, own)
    assert {each["version"] for each in await released("GET", BUNDLES)} == {"1.4.0", "1.3.0"}
    again = await released("POST", PRUNE, {"keep": 1})
    assert (again["changed"], again["removed"], again["bytes"]) == (False, [], 0)
    assert await released("POST", PRUNE, {"keep": 100_001}, status=422) == "invalid_keep"
    assert await released("POST", PRUNE, {"keep": -1}, status=422) == "invalid_body"
