"""The store went back: what the control API still does, and accepting it."""

import shutil

from control_world import APP

from edge.control.access.tokens import Tokens
from edge.store.key_set import KEY_SET_KEY, open_trust
from edge.store.releases import Releases
from edge.store.signing import load_or_create_writer


async def go_back(acme, world):
    """1.1.0 is offered when the copy is taken, and withdrawn since."""
    for version in ("1.0.0", "1.1.0"):
        await acme.publish(version)
    await acme("POST", f"/v1/apps/{APP}/channels", {"name": "production", "bundle": "1.1.0"})
    acme.secrets["reader"]
    shutil.copytree(world.store.root, world.store.root.parent / "copy")
    await acme("POST", f"/v1/apps/{APP}/bundles/1.1.0/withdraw", {"reason": "it crashes"})
    await acme("DELETE", "/v1/tokens/reader")
    for folder in ("heads", "access", "keys"):
        shutil.rmtree(world.store.root / folder)
    for folder in ("heads", "access"):
        shutil.copytree(world.store.root.parent / "copy" / folder, world.store.root / folder)


async def test_reads_and_revocations_hold_and_changes_are_refused(acme, world):
    await go_back(acme, world)
    assert (await acme("GET", f"/v1/apps/{APP}/bundles/1.1.0"))["withdrawn"] == "it crashes"
    headers = {"Authorization": f"Bearer {acme.secrets['root']}"}
    async with acme.client.get(f"/v1/apps/{APP}", headers=headers) as response:
        assert "was rolled back from sequence 5 to 4" in response.headers["Edge-Warning"]
    assert await acme("GET", f"/v1/apps/{APP}", by="reader", status=401) == "unauthorized"
    body = {"name": "beta"}
    assert await acme("POST", f"/v1/apps/{APP}/channels", body, status=409) == "older_store"
    assert await acme("POST", f"/v1/apps/{APP}/channels?dry_run=true", body, status=409) == "older_store"
    body = {"name": "ci", "role": "publisher", "app": APP, "lifetime_seconds": None}
    assert await acme("POST", "/v1/tokens", body, status=409) == "older_store"


async def test_what_acceptance_would_do_is_shown_and_then_done(acme, world):
    await go_back(acme, world)
    key_set = world.store.root / KEY_SET_KEY
    foreseen = await acme("GET", "/v1/store/restored")
    assert not key_set.exists()
    done = await acme("POST", "/v1/store/accept-restored")
    assert key_set.exists()
    assert done == foreseen | {"keys": done["keys"]}
    assert done["refused"] and "lost its key set" in done["keys"]
    assert done["tokens"]["revoked"] == ["reader"]
    ((app,),) = [shard["apps"] for shard in done["shards"]]
    assert (app["seen"], app["restored"], app["revision"]) == (5, 4, 6)
    assert app["withdrawn"] == ["1.1.0"]
    assert [each for each, _ in world.announced[-1:]] == [APP]
    assert (await acme("GET", f"/v1/apps/{APP}/bundles/1.1.0"))["withdrawn"] == "it crashes"
    await acme("POST", f"/v1/apps/{APP}/channels", {"name": "beta"})
    assert await acme("GET", f"/v1/apps/{APP}", by="reader", status=401) == "unauthorized"
    history = await acme("GET", f"/v1/apps/{APP}/history")
    assert [each["kind"] for each in history][1] == "accept_restored"


async def test_nothing_is_accepted_where_nothing_is_refused(acme):
    view = {"refused": False, "keys": "", "tokens": None, "people": None, "push": "", "credentials": "", "shards": []}
    assert await acme("GET", "/v1/store/restored") == view
    assert await acme("POST", "/v1/store/accept-restored") == view


async def test_a_restarted_node_accepts_too(acme, world):
    await go_back(acme, world)
    node_dir = world.store.root.parent / "node"
    writer = load_or_create_writer(node_dir / "writer.pem")
    trust = open_trust(world.store, node_dir, 0.0, writer)
    world.releases = Releases(world.store, writer, trust)
    assert Tokens(world.store, trust, writer).problem == ""
    assert trust.problem
    assert world.releases.load(APP).bundles["1.1.0"].withdrawn == "it crashes"


async def test_where_nothing_is_refused_every_shard_and_the_tokens_can_go_on_above_what_others_saw(acme, world):
    await acme.publish("1.0.0")
    assert (await acme("GET", "/v1/store/restored"))["refused"] is False
    before = (await acme("GET", f"/v1/apps/{APP}"))["revision"]
    reader = acme.secrets["reader"]
    done = await acme("POST", "/v1/store/accept-restored?every=true")
    (app,) = [each for shard in done["shards"] for each in shard["apps"]]
    assert (len(done["shards"]), app["restored"]) == (16, before)
    assert app["revision"] == (await acme("GET", f"/v1/apps/{APP}"))["revision"] > 1_000_000
    assert reader and await acme("GET", f"/v1/apps/{APP}", by="reader")
    await acme("DELETE", "/v1/tokens/reader")
    assert await acme("GET", f"/v1/apps/{APP}", by="reader", status=401) == "unauthorized"
