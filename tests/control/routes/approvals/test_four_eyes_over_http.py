"""Four eyes and freezes over HTTP: a change waits, is shown with what it would do, and is one of two people."""

import asyncio
from dataclasses import replace

import msgspec
import pytest
from control_world import APP, NOW, pack
from factories import a_change
from token_making import make_token
from two_people import proposing

from edge.control.access.roles import Role
from edge.control.access.standing import check_standing, gone_approvers
from edge.control.login.accounts import SignedIn
from edge.control.login.terminals import make_terminal
from edge.control.proposing import FRESH_SECONDS
from edge.control.shapes.approvals.approval_shapes import ProposalMadeAnswer
from edge.domain.app_parts.protection import Endorsement
from edge.domain.changes.apply import foresee_proposal
from edge.domain.changes.messages.message_commands import CreateMessage, NewMessageText
from edge.domain.errors import Conflict
from edge.domain.schedule.rollout import Moment
from edge.messages.messaging import OUTBOX_FILE

CHANNELS, PROPOSALS, FREEZES = (f"/v1/apps/{APP}/{part}" for part in ("channels", "proposals", "freezes"))
PRODUCTION = f"{CHANNELS}/production"
MAKERS = {  # by whom each token was made
    "ann": ("ann@example.com", Role.RELEASER),
    "ann-phone": ("ann@example.com", Role.RELEASER),
    "ci": ("ann", Role.RELEASER),  # a token made with a token
    "bob": ("bob@example.com", Role.RELEASER),
    "eve": ("eve@example.com", Role.DEVELOPER),
    "boss": ("boss@example.com", Role.ADMIN),
    "stray": ("gone", Role.RELEASER),  # its maker is revoked
}


class Clock:
    def __init__(self):
        self.now = NOW

    def __call__(self):
        return self.now

    def moment(self, app):
        return Moment(self.now, self.now)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
async def ready(serve, world, clock):
    """1.0.0 on a channel that two people stand behind; 1.1.0 is there."""
    api = await serve(now=clock, moment=clock.moment)
    for name, (by, role) in MAKERS.items():
        scope = None if role is Role.ADMIN else APP
        api.secrets[name] = await asyncio.to_thread(make_token, world.tokens, name, role, scope, by=by, now=NOW)
    await api("POST", "/v1/apps", {"app": APP})
    await api("POST", CHANNELS, {"name": "production", "public": True})
    await api.publish("1.0.0", channel="production")
    await api.publish("1.1.0")
    await api("PUT", f"{PRODUCTION}/approval", {"people": 2}, by="boss")
    return api


async def ask(api, method, path, body=None, *, by="ann", **given):
    """A change that waits: what is told of its proposal."""
    answer = await api(method, path, body, by=by, status=202, **given)
    return answer["proposal"]


async def offered(api):
    return (await api("GET", PRODUCTION))["bundle"]


async def approve(api, proposal, *, by="bob", status=200):
    shown = await api("GET", f"{PROPOSALS}/{proposal}")
    return await api("POST", f"{PROPOSALS}/{proposal}/approve", {"effect": shown["effect"]}, by=by, status=status)


async def test_a_change_waits_and_is_made_with_another_persons_approval(ready):
    proposal = await ask(ready, "PATCH", PRODUCTION, {"bundle": "1.1.0"}, headers={"Edge-Reason": "because"})
    assert (proposal["state"], proposal["people"], proposal["kinds"]) == ("waiting", 2, ["publish"])
    assert await offered(ready) == "1.0.0"
    shown = await ready("GET", f"{PROPOSALS}/{proposal['id']}")
    (impact,) = shown["impact"]["channels"]
    assert (impact["before"]["bundle"], impact["after"]["bundle"]) == ("1.0.0", "1.1.0")
    assert {"what": "bundle", "before": "1.0.0", "after": "1.1.0"}.items() <= shown["changes"][0].items()
    done = await approve(ready, proposal["id"])
    assert (done["made"], done["proposal"]["decided_by"]) == (True, ["bob"])
    assert await offered(ready) == "1.1.0"
    (latest,) = await ready("GET", f"/v1/apps/{APP}/history?limit=1")
    told = {"by": "ann", "approved_by": ["bob"], "reason": "because", "kind": "set_channel", "emergency": False}
    assert told.items() <= latest.items()


async def test_a_publish_waits_with_its_bundle_there(ready):
    packed = pack(page="new")
    await ready.upload(packed, by="ann")
    body = {"version": "1.2.0", "zip": packed.zip, "manifest": packed.manifest, "channel": "production"}
    key = {"Idempotency-Key": "build-77"}
    proposal = await ask(ready, "POST", f"/v1/apps/{APP}/bundles", body, headers=key)
    assert (await ready("GET", f"/v1/apps/{APP}/bundles/1.2.0"))["version"] == "1.2.0"
    again = await ask(ready, "POST", f"/v1/apps/{APP}/bundles", body, headers=key)
    assert again["id"] == proposal["id"] and len(await ready("GET", PROPOSALS)) == 1
    await approve(ready, proposal["id"])
    done = await ready("POST", f"/v1/apps/{APP}/bundles", body, by="ann", headers=key)  # as `--wait` asks again
    assert (done["changed"], await offered(ready)) == (False, "1.2.0")


@pytest.mark.parametrize("by", ["ann", "ann-phone", "ci"])
async def test_nobody_approves_their_own_change(ready, by):
    proposal = await ask(ready, "PATCH", PRODUCTION, {"bundle": "1.1.0"})
    assert await approve(ready, proposal["id"], by=by, status=403) == "own_change"
    assert await approve(ready, proposal["id"], by="stray", status=403) == "unknown_maker"
    assert await approve(ready, proposal["id"], by="eve", status=403) == "forbidden"
    assert await offered(ready) == "1.0.0"


async def test_who_may_not_change_it_may_not_propose_it(ready):
    assert await ready("PATCH", PRODUCTION, {"bundle": "1.1.0"}, by="eve", status=403) == "forbidden"
    assert await ready("PATCH", PRODUCTION, {"bundle": "1.1.0"}, by="stray", status=403) == "unknown_maker"
    assert await ready("GET", PROPOSALS) == []


async def test_what_a_token_asked_for_that_is_revoked_is_not_approved(ready):
    proposal = await ask(ready, "PATCH", PRODUCTION, {"bundle": "1.1.0"}, by="ci")
    await ready("DELETE", "/v1/tokens/ci", by="boss")
    assert await approve(ready, proposal["id"], status=409) == "author_gone"
    assert (await ready("POST", f"{PROPOSALS}/{proposal['id']}/reject", by="bob"))["proposal"]["state"] == "rejected"


async def test_an_approval_of_who_was_removed_does_not_count_and_another_one_does(ready):
    """Also of the same person's: that of a token that is gone keeps no other from approving."""
    await ready("PUT", f"{PRODUCTION}/approval", {"people": 3}, by="boss")
    proposal = await ask(ready, "PATCH", PRODUCTION, {"bundle": "1.1.0"}, by="boss")
    await approve(ready, proposal["id"], by="ann-phone")
    await ready("DELETE", "/v1/tokens/ann-phone", by="boss")
    shown = await ready("GET", f"{PROPOSALS}/{proposal['id']}")
    assert [(each["by"], each["counts"], each["gone"]) for each in shown["approvals"]] == [("ann-phone", False, True)]
    done = await approve(ready, proposal["id"])
    assert (done["made"], [each["by"] for each in done["proposal"]["approvals"]]) == (False, ["bob"])
    assert await offered(ready) == "1.0.0"
    done = await approve(ready, proposal["id"], by="ann")
    assert (done["made"], done["proposal"]["decided_by"]) == (True, ["bob", "ann"])


FAY, GIL, HAL = "fay@example.com", "gil@example.com", "hal@example.com"
OF_APP = {"role": "releaser", "scope": f"app:{APP}"}
LOST = (  # in this order: what takes it away, and what gives it back
    ("approver_gone", "POST", f"/v1/people/{GIL}/revoke", OF_APP, "POST", f"/v1/people/{GIL}/grant", OF_APP),
    ("approver_gone", "DELETE", f"/v1/people/{GIL}", None, "POST", "/v1/people", {"mail": GIL, "holds": []}),
    ("approver_gone", "POST", "/v1/groups/revoke", OF_APP | {"group": "qa"},
     "POST", "/v1/groups/grant", OF_APP | {"group": "qa"}),
    ("author_gone", "POST", f"/v1/people/{FAY}/revoke", OF_APP, "POST", f"/v1/people/{FAY}/grant", OF_APP),
    ("author_gone", "DELETE", f"/v1/people/{FAY}", None, None, None, None),
)  # fmt: skip


async def test_who_may_not_any_more_stands_behind_nothing(ready, world):
    """People are asked what they may do when the change is made, not when they said so."""
    for mail in (FAY, GIL):
        await ready("POST", "/v1/people", {"mail": mail, "holds": [OF_APP]})
    await ready("POST", "/v1/groups/grant", OF_APP | {"group": "qa"})
    await ready("PUT", f"{PRODUCTION}/approval", {"people": 3}, by="boss")
    asked = await ask(ready, "PATCH", PRODUCTION, {"bundle": "1.1.0"}, by="boss")
    state = await asyncio.to_thread(world.releases.load, APP)
    approval = Endorsement(by=GIL, hands=(GIL,), at=NOW + 1, effect="")
    waiting = replace(state.proposals[asked["id"]], by=FAY, hands=(FAY,), approvals=(approval,))
    foreseen = foresee_proposal(state, waiting, NOW + 2)
    check_standing(world.tokens, state, waiting, foreseen, NOW + 2)
    one_channel = {"role": "releaser", "scope": f"app:{APP}/production"}
    await ready("POST", "/v1/people", {"mail": HAL, "holds": [one_channel]})
    by_hal = replace(waiting, approvals=(replace(approval, by=HAL, hands=(HAL,)),))
    for cannot_be_made in (foreseen, Conflict("frozen", "it is frozen now")):
        assert gone_approvers(world.tokens, state, by_hal, cannot_be_made, NOW + 2) == ()
    for code, method, path, body, *back in LOST:
        await ready(method, path, body)
        with pytest.raises(Conflict) as refused:
            check_standing(world.tokens, state, waiting, foreseen, NOW + 2)
        assert refused.value.code == code
        gone = gone_approvers(world.tokens, state, waiting, foreseen, NOW + 2)
        assert gone == ((GIL,) if code == "approver_gone" else ())
        if back[0] is not None:
            await ready(*back)
            waiting = replace(waiting, approvals=(replace(approval, groups=("qa",)),))
            check_standing(world.tokens, state, waiting, foreseen, NOW + 2)


async def test_who_was_invited_lately_counts_as_who_invited(ready, world, clock):
    """The inviter had the link: for a week neither approves what the other asks for."""
    await ready("POST", "/v1/people", {"mail": GIL, "holds": [OF_APP]}, by="boss")
    await ready("POST", f"/v1/people/{GIL}/invitation", by="boss")

    def sign_in():
        era = world.logins.accounts.credentials(GIL).era
        ready.secrets[GIL], _ = make_terminal(world.logins.accounts, SignedIn(GIL, era, "oidc"), "laptop", clock.now)

    await asyncio.to_thread(sign_in)
    own = await ask(ready, "PATCH", PRODUCTION, {"bundle": "1.1.0"}, by="boss")
    assert await approve(ready, own["id"], by=GIL, status=403) == "own_change"
    theirs = await ask(ready, "PATCH", PRODUCTION, {"emulator": False}, by=GIL)
    assert await approve(ready, theirs["id"], by="boss", status=403) == "own_change"
    assert (await approve(ready, theirs["id"], by="bob"))["made"]
    clock.now += FRESH_SECONDS
    await asyncio.to_thread(sign_in)
    later = await ask(ready, "PATCH", PRODUCTION, {"bundle": "1.1.0"}, by="boss")
    assert (await approve(ready, later["id"], by=GIL))["made"]


async def test_what_was_not_seen_is_not_approved(ready):
    proposal = await ask(ready, "PATCH", PRODUCTION, {"emulator": False})
    path = f"{PROPOSALS}/{proposal['id']}/approve"
    assert await ready("POST", path, {"effect": "0" * 32}, by="bob", status=409) == "effect_changed"
    await approve(ready, proposal["id"])
    assert await ready("POST", path, {"effect": "0" * 32}, by="bob", status=409) == "proposal_decided"


async def test_it_is_rejected_or_withdrawn(ready):
    first = await ask(ready, "PATCH", PRODUCTION, {"bundle": "1.1.0"})
    second = await ask(ready, "PATCH", PRODUCTION, {"emulator": False})
    reason = {"Edge-Reason": "not%20today"}
    done = await ready("POST", f"{PROPOSALS}/{first['id']}/reject", by="bob", headers=reason)
    assert (done["made"], done["proposal"]["state"], done["proposal"]["decision"]) == (False, "rejected", "not today")
    assert await ready("POST", f"{PROPOSALS}/{second['id']}/withdraw", by="bob", status=403) == "not_yours"
    await ready("POST", f"{PROPOSALS}/{second['id']}/withdraw", by="ann-phone")
    states = [(each["id"], each["state"]) for each in await ready("GET", PROPOSALS)]
    assert states == [(second["id"], "withdrawn"), (first["id"], "rejected")]
    assert await ready("GET", f"{PROPOSALS}/p999", status=404) == "unknown_proposal"


async def test_a_rollback_passes_and_everybody_is_told(ready, world):
    await approve(ready, (await ask(ready, "PATCH", PRODUCTION, {"bundle": "1.1.0"}))["id"])
    await ready("POST", f"{PRODUCTION}/rollback", {}, by="ann")
    (latest,) = await ready("GET", f"/v1/apps/{APP}/history?limit=1")
    assert (await offered(ready), latest["emergency"], latest["approved_by"]) == ("1.0.0", True, [])


async def test_a_rehearsal_says_that_it_would_wait(ready):
    done = await ready("PATCH", f"{PRODUCTION}?dry_run=true", {"bundle": "1.1.0"}, by="ann")
    assert "2 people" in done["needs_approval"] and done["impact"]["channels"]
    assert await ready("GET", PROPOSALS) == []


async def test_an_undo_waits_as_the_change_that_puts_back(ready):
    """Also if it is asked for again under its id, before and after the approval."""
    undo, key = f"/v1/apps/{APP}/undo", {"Idempotency-Key": "undo-1"}
    await approve(ready, (await ask(ready, "PATCH", PRODUCTION, {"bundle": "1.1.0"}))["id"])
    rehearsed = await ready("POST", f"{undo}?dry_run=true", {"force": True}, by="boss")
    assert "2 people" in rehearsed["needs_approval"]
    waits = await ask(ready, "POST", undo, {"force": True}, by="boss", headers=key)
    assert (waits["kind"], waits["target"], await offered(ready)) == ("set_channel", "production", "1.1.0")
    assert (await ask(ready, "POST", undo, {"force": True}, by="boss", headers=key))["id"] == waits["id"]
    await approve(ready, waits["id"])
    assert await offered(ready) == "1.0.0"
    assert (await ready("POST", undo, {"force": True}, by="boss", headers=key))["changed"] is False


async def test_what_cannot_be_put_back_is_said(ready):
    """The undo of a pause goes on with the rollout, which is decided there."""
    start = {"bundle": "1.1.0", "steps": ["10", "100"], "every_seconds": 0}
    await approve(ready, (await ask(ready, "POST", f"{PRODUCTION}/rollout", start))["id"])
    await ready("POST", f"{PRODUCTION}/rollout/pause", by="ann")
    undo = f"/v1/apps/{APP}/undo"
    assert await ready("POST", undo, {"force": True}, by="boss", status=409) == "needs_approval"
    assert await ready("POST", f"{undo}?dry_run=true", {"force": True}, by="boss", status=409) == "needs_approval"


async def test_a_rule_and_a_freeze_are_taken_back_by_two(ready):
    await ready("PUT", f"{PRODUCTION}/approval", {"people": 3}, by="boss")
    waits = await ask(ready, "POST", f"/v1/apps/{APP}/undo", {}, by="boss")
    assert (waits["kind"], waits["kinds"]) == ("set_approval", ["rules"])
    await ready("POST", f"{PROPOSALS}/{waits['id']}/withdraw", by="boss")
    await ready("POST", FREEZES, {"ends": NOW + 3_600}, by="boss")
    assert (await ask(ready, "POST", f"/v1/apps/{APP}/undo", {}, by="boss"))["kind"] == "end_freeze"


async def test_the_rule_is_weakened_by_two(ready):
    proposal = await ask(ready, "PUT", f"{PRODUCTION}/approval", {"people": 1}, by="boss")
    assert proposal["kinds"] == ["rules"]
    assert [each["people"] for each in await ready("GET", f"/v1/apps/{APP}/approvals")] == [2]
    await approve(ready, proposal["id"])
    assert await ready("GET", f"/v1/apps/{APP}/approvals") == []
    assert (await ready("PATCH", PRODUCTION, {"bundle": "1.1.0"}, by="ann"))["bundle"] == "1.1.0"


async def test_a_rule_for_more_people_than_there_are_is_set_and_says_so_until_there_are(ready):
    done = await ready("PUT", f"{PRODUCTION}/approval", {"people": 4}, by="boss")
    (rule,) = done["approvals"]
    assert (rule["people"], rule["approvers"], rule["warning"]) == (4, 4, "")
    await ready("DELETE", "/v1/people/eve@example.com")
    (rule,) = await ready("GET", f"/v1/apps/{APP}/approvals")
    (listed,) = await ready("GET", "/v1/apps")
    shown = await ready("GET", f"/v1/apps/{APP}")
    assert rule["approvers"] == 3 and rule["warning"].startswith("3 people may approve changes of production")
    assert shown["approval_warnings"] == listed["approval_warnings"] == [rule["warning"]]
    await ready("POST", "/v1/groups/grant", OF_APP | {"group": "qa"})
    (rule,) = await ready("GET", f"/v1/apps/{APP}/approvals")
    assert (rule["approvers"], rule["warning"]) == (None, "")


async def test_features_and_messages_are_the_apps(ready, world):
    """Each waits with its preview; a kill passes, and whoever has one channel alone approves neither."""
    app = f"/v1/apps/{APP}"
    given = ("one-channel", Role.RELEASER, f"{APP}/production")
    ready.secrets["one-channel"] = await asyncio.to_thread(
        make_token, world.tokens, *given, by="zoe@example.com", now=NOW
    )
    feature = f"{app}/features/checkout"
    await ready("PATCH", feature, {"type": "boolean", "default": False}, by="ann")
    done = await ready("PUT", f"{app}/approval", {"people": 2}, by="boss")
    rule = next(each for each in done["approvals"] if each["channel"] is None)
    assert (rule["people"], rule["kinds"]) == (2, ["feature", "message"])
    waits = await ask(ready, "PATCH", feature, {"default": True})
    assert (waits["kinds"], waits["channels"]) == (["feature"], [])
    shown = await ready("GET", f"{PROPOSALS}/{waits['id']}")
    assert shown["impact"]["features"] and shown["changes"][0]["subject"] == "feature"
    assert await approve(ready, waits["id"], by="one-channel", status=403) == "forbidden"
    assert (await approve(ready, waits["id"]))["made"]
    await ready("POST", f"{feature}/kill", by="ann")
    (latest,) = await ready("GET", f"{app}/history?limit=1")
    assert latest["emergency"] is True
    assert (await ask(ready, "POST", f"{feature}/revive"))["kinds"] == ["feature"]
    message = {"texts": [{"title": "Hello"}], "when": "now", "expected": 0}
    waits = await ask(ready, "POST", f"{app}/messages", message, by="boss")
    shown = await ready("GET", f"{PROPOSALS}/{waits['id']}")
    assert (waits["kinds"], shown["message"]["planned"]) == (["message"], 0)
    assert shown["changes"][0]["after"] == "to all registered devices: Hello"
    assert (await ready("GET", f"{app}/messages"))["messages"] == []
    assert (await approve(ready, waits["id"]))["made"]
    assert len((await ready("GET", f"{app}/messages"))["messages"]) == 1


async def test_an_emergency_that_nobody_can_be_told_of_is_done_all_the_same(ready, world, caplog):
    """The outbox is on the same full disk; the history and the audit have it."""
    (world.store.root.parent / "node" / OUTBOX_FILE).mkdir(parents=True)
    feature = f"/v1/apps/{APP}/features/checkout"
    await ready("PATCH", feature, {"type": "boolean", "default": False}, by="ann")
    await ready("PUT", f"/v1/apps/{APP}/approval", {"people": 2}, by="boss")
    assert (await ready("POST", f"{feature}/kill", by="ann"))["changed"] is True
    assert "nobody is told of it" in caplog.text
    (latest,) = await ready("GET", f"/v1/apps/{APP}/history?limit=1")
    assert (latest["kind"], latest["emergency"]) == ("kill_feature", True)


async def test_a_message_that_would_go_to_others_by_now_is_not_approved(ready, world):
    """Its author has seen fifty devices."""
    await ready("PUT", f"/v1/apps/{APP}/approval", {"people": 2, "kinds": ["message"]}, by="boss")
    message = CreateMessage(texts=(NewMessageText(title="Hello"),), when="now", expected=50)
    asked = a_change(proposing(message, "boss", ("boss", "boss@example.com")), by="boss", at=NOW)
    state = (await asyncio.to_thread(world.releases.commit, APP, asked)).state
    assert await approve(ready, next(iter(state.proposals)), status=409) == "preview_differs"


async def test_a_freeze_refuses_with_who_and_until_when(ready, clock):
    begun = await ready("POST", FREEZES, {"ends": NOW + 3_600, "except_rollback": True}, by="boss")
    (freeze,) = begun["freezes"]
    assert (freeze["on"], freeze["by"], freeze["begins"]) == (True, "boss", NOW)
    assert await ready("PATCH", PRODUCTION, {"bundle": "1.1.0"}, by="ann", status=409) == "frozen"
    assert await ready("PATCH", PRODUCTION, {"bundle": "1.1.0"}, by="eve", status=403) == "forbidden"
    assert (await ask(ready, "DELETE", f"{FREEZES}/{freeze['id']}", by="boss"))["kinds"] == ["rules"]
    assert await ready("POST", FREEZES, {"ends": NOW + 3_600}, by="ann", status=403) == "forbidden"
    clock.now += 3_600
    assert await ready("GET", FREEZES) == []


async def test_an_answer_that_waits_is_of_its_shape(ready):
    async with ready.client.patch(
        PRODUCTION, json={"bundle": "1.1.0"}, headers={"Authorization": f"Bearer {ready.secrets['ann']}"}
    ) as response:
        told = msgspec.json.decode(await response.read(), type=ProposalMadeAnswer)
    assert (response.status, told.error, told.app) == (202, "needs_approval", APP)


async def test_a_proposal_is_no_refusal_in_the_audit(ready):
    await ask(ready, "PATCH", PRODUCTION, {"bundle": "1.1.0"})
    entries = (await ready("GET", f"/v1/apps/{APP}/audit?limit=1", by="boss"))["entries"]
    assert [(each["outcome"], each["code"], each["who"]) for each in entries] == [("waiting", "needs_approval", "ann")]
