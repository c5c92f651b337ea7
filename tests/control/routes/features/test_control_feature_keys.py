"""Keys for features over HTTP: one for the app's code, which can be read again, and secrets for servers, shown once."""

from control_world import APP

KEYS = f"/v1/apps/{APP}/feature-keys"


async def test_a_key_for_code_is_listed_whole(acme):
    assert await acme("GET", KEYS) == []
    made = await acme("POST", KEYS, body={})
    assert (made["app"], made["changed"], made["key"][:3]) == (APP, True, "fk_")
    (shown,) = await acme("GET", KEYS)
    assert (shown["shown"], shown["server"], shown["until"]) == (made["key"], False, None)


async def test_a_servers_key_is_shown_once(acme, world):
    made = await acme("POST", KEYS, body={"server": True})
    (shown,) = await acme("GET", KEYS)
    assert made["key"].startswith("fs_") and len(made["key"]) > 20
    assert (shown["shown"], shown["server"]) == (f"{made['key'][:7]}…", True)
    written = b"".join(world.store.path(key).read_bytes() for key in world.store.keys("apps/"))
    assert made["key"].encode() not in written


async def test_a_repeated_request_makes_no_second_key_and_tells_none(acme):
    asked = {"body": {"server": True}, "headers": {"Idempotency-Key": "once"}}
    first, again = [await acme("POST", KEYS, **asked) for _ in range(2)]
    assert (again["changed"], again["key"], again["revision"]) == (False, None, first["revision"])
    assert len(await acme("GET", KEYS)) == 1


async def test_a_dry_run_makes_no_key(acme):
    assert (await acme("POST", f"{KEYS}?dry_run=true", body={}))["key"] is None
    assert await acme("GET", KEYS) == []


async def test_a_former_key_is_taken_for_a_while(acme):
    for keep in (60, 60):
        await acme("POST", KEYS, body={"keep_seconds": keep})
    former, newest = await acme("GET", KEYS)
    assert former["until"] == newest["made"] + 60
    assert newest["until"] is None


async def test_the_sorts_are_removed_apart(acme):
    for server in (False, True):
        await acme("POST", KEYS, body={"server": server})
    assert (await acme("DELETE", KEYS))["changed"]
    assert [each["server"] for each in await acme("GET", KEYS)] == [True]
    assert (await acme("DELETE", f"{KEYS}?server=true"))["changed"]
    assert await acme("GET", KEYS) == []
    assert not (await acme("DELETE", KEYS))["changed"]
