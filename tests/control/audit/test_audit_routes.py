"""The audit of the control API: what the door records, how it is listed, exported and verified."""

import pytest
from control_world import APP, DEVICE, NOW, OTHER

from edge.control.audit.asking import is_of
from edge.control.audit.entry import device_digest
from edge.control.audit.exporting import entries_of, verify_export
from edge.control.audit.local import head_is_kept
from edge.store.stored_document import Untrusted


async def listed(api, query="", by="root", app=None):
    path = f"/v1/apps/{app}/audit" if app else "/v1/audit"
    return (await api("GET", f"{path}{query}", by=by))["entries"]


async def told(api, query="", **given):
    """What is listed, in short, oldest first, without what the audit says of its own readers."""
    entries = reversed(await listed(api, query, **given))
    return [
        f"{each['who'] or '-'} {each['operation']} {each['outcome']} {each['code']}".strip()
        for each in entries
        if each["kind"] != "audit"
    ]


async def test_a_change_is_recorded_with_who_from_where_and_what(acme):
    await acme("POST", f"/v1/apps/{APP}/channels", {"name": "production"}, headers={"Idempotency-Key": "c1"})
    (entry, *_) = await listed(acme, "?what=create_channel")
    assert (entry["who"], entry["address"], entry["outcome"]) == ("root", "127.0.0.1", "done")
    assert (entry["app"], entry["target"], entry["revision"], entry["change"]) == (APP, "name=production", 2, "c1")
    assert "production" in entry["summary"]


async def test_a_change_is_listed_once_although_it_is_a_revision_too(acme):
    await acme("POST", f"/v1/apps/{APP}/channels", {"name": "production"})
    assert await told(acme) == ["root create_app done", "root create_channel done"]


async def test_a_revision_that_no_record_is_of_is_listed_by_itself(acme, world):
    for path in (world.store.root.parent / "audit").glob("*.jsonl"):
        path.unlink()
    (entry,) = await listed(acme, "?what=change")
    assert (entry["operation"], entry["revision"], entry["n"], entry["who"]) == ("create_app", 1, 0, "root")


@pytest.mark.parametrize(
    ("by", "method", "path", "body", "status", "expected"),
    [
        ("reader", "POST", f"/v1/apps/{APP}/channels", {"name": "x"}, 403, "reader create_channel refused forbidden"),
        ("root", "POST", f"/v1/apps/{APP}/channels", {"name": ""}, 422, None),
        ("root", "DELETE", f"/v1/apps/{APP}/channels/none", None, 404, "root delete_channel refused unknown_channel"),
        ("reader", "GET", "/v1/tokens", None, 403, "reader list_tokens refused forbidden"),
        ("root", "GET", f"/v1/apps/{OTHER}", None, 404, None),
    ],
)
async def test_what_is_refused_is_recorded_with_its_code(acme, by, method, path, body, status, expected):
    code = await acme(method, path, body, by=by, status=status)
    refused = await told(acme, "?refused=true")
    if expected is None and method == "GET":
        assert refused == []  # of what is read, only what was refused to who asked
    else:
        assert refused == [expected or f"root create_channel refused {code}"]


async def test_an_unknown_token_is_nobody_and_its_secret_is_nowhere(acme, world):
    acme.secrets["stranger"] = "edge_" + "S" * 43
    assert await acme("GET", "/v1/apps", by="stranger", status=401) == "unauthorized"
    await acme("POST", f"/v1/apps/{APP}/channels", {"name": "after"})  # a stranger does not wait for the disk
    assert await told(acme, "?refused=true") == ["- list_apps refused unauthorized"]
    assert b"SSSS" not in b"".join(path.read_bytes() for path in (world.store.root.parent / "audit").iterdir())


async def test_repeats_of_a_refusal_are_counted_and_do_not_fill_the_disk(acme, world):
    for _ in range(50):
        await acme("POST", f"/v1/apps/{APP}/channels", {"name": "x"}, by="reader", status=403)
    assert len(await told(acme, "?refused=true")) == 1


async def test_a_token_is_recorded_by_its_name_and_role_and_never_by_its_secret(acme, world):
    made = await acme("POST", "/v1/tokens", {"name": "ci", "role": "uploader", "app": APP})
    await acme("DELETE", "/v1/tokens/ci")
    created, revoked = reversed(await listed(acme, "?what=access"))
    assert (created["operation"], created["target"]) == ("create_token", f"name=ci role=uploader app={APP}")
    assert (revoked["operation"], revoked["target"]) == ("revoke_token", "name=ci")
    content = b"".join(path.read_bytes() for path in (world.store.root.parent / "audit").iterdir())
    assert made["token"].encode() not in content


async def test_a_role_is_recorded_with_whom_and_where(acme):
    held = {"role": "releaser", "scope": f"app:{APP}"}
    await acme("POST", "/v1/people", {"mail": "anna@example.com", "words": "Anna", "holds": [held]})
    await acme("POST", "/v1/people/anna@example.com/grant", {"role": "viewer"})
    granted, added = await listed(acme, "?what=access")
    assert added["target"] == f"mail=anna@example.com holds=releaser:app:{APP}"
    assert granted["target"] == "person=anna@example.com role=viewer scope=everything"


async def test_a_refused_name_cannot_pass_for_another_word(acme):
    await acme("POST", "/v1/tokens", {"name": "ci role=admin", "role": "reader"}, status=422)
    (entry,) = await listed(acme, "?refused=true")
    assert entry["target"] == 'name="ci role=admin" role=reader'


async def test_an_erasure_is_recorded_without_the_device(acme, world):
    await acme("DELETE", f"/v1/apps/{APP}/devices/{DEVICE}")
    (entry,) = await listed(acme, "?what=erasure")
    assert entry["target"] == f"device={device_digest(DEVICE)}"
    content = b"".join(path.read_bytes() for path in (world.store.root.parent / "audit").iterdir())
    assert DEVICE.encode() not in content


async def test_an_export_of_events_and_a_look_at_the_audit_are_recorded(acme, world):
    async with acme.client.get(
        f"/v1/apps/{APP}/telemetry/export", headers={"Authorization": f"Bearer {acme.secrets['root']}"}
    ) as response:
        await response.read()
    await listed(acme)
    assert [each["operation"] for each in await listed(acme, "?what=export,audit")] == ["show_audit", "export_events"]


async def test_a_dry_run_is_no_change_and_not_recorded(acme):
    await acme("POST", f"/v1/apps/{APP}/channels?dry_run=true", {"name": "x"})
    assert await told(acme, "?what=create_channel") == []


async def test_pages_follow_each_other_without_gap_or_repeat(acme):
    for n in range(7):
        await acme("POST", f"/v1/apps/{APP}/channels", {"name": f"c{n}"})
    found, cursor = [], ""
    while True:
        page = await acme("GET", f"/v1/audit?limit=3&what=change{cursor}")
        found += page["entries"]
        if not page["next_page"]:
            break
        cursor = f"&cursor={page['next_page']}"
    assert [each["revision"] for each in found] == [8, 7, 6, 5, 4, 3, 2, 1]


async def test_filters_by_time_and_name(acme):
    await acme("POST", f"/v1/apps/{APP}/channels", {"name": "x"}, by="publisher")
    assert await told(acme, "?who=publisher") == ["publisher create_channel done"]
    assert await told(acme, f"?since_ms={int(NOW * 1000) + 1}") == []
    assert await told(acme, f"?until_ms={int(NOW * 1000)}") == []


@pytest.mark.parametrize(
    ("word", "meant", "others"),
    [
        ("freeze", "start_freeze end_freeze list_freezes", "start_rollout"),
        ("Freezes", "start_freeze", "set_feature"),
        ("approval", "set_approval", "approve_proposal"),
        ("appro", "set_approval approve_proposal", "create_app"),
        ("app", "create_app", "approve_proposal"),
        ("rollback", "roll_back roll_channel_back roll_back_rollout", "start_rollout put_back"),
        ("create-channel", "create_channel", "create_app set_channel"),
        ("people", "add_person", "add_webhook"),
        ("", "", "create_app"),
    ],
)
def test_words_that_people_type_find_operations(word, meant, others):
    assert all(is_of(word, each) for each in meant.split())
    assert not any(is_of(word, each) for each in others.split())


@pytest.mark.parametrize("cursor", ["x", "====", "W10", "e30", "A" * 513])
async def test_a_cursor_that_is_none_is_refused(acme, cursor):
    assert await acme("GET", f"/v1/audit?cursor={cursor}", status=422) == "invalid_cursor"


async def test_who_may_not_read_it_is_refused_and_that_is_recorded(acme):
    await acme("GET", "/v1/audit", by="publisher", status=403)
    assert "publisher show_audit refused forbidden" in [
        f"{each['who']} {each['operation']} {each['outcome']} {each['code']}" for each in await listed(acme)
    ]


async def test_the_audit_of_an_app_has_nothing_of_another(acme):
    await acme("POST", "/v1/apps", {"app": OTHER})
    await acme("POST", "/v1/tokens", {"name": "ci", "role": "uploader"})
    assert await told(acme, app=APP) == ["root create_app done"]


@pytest.fixture
def fetch(acme, tmp_path):
    async def run(query=""):
        async with acme.client.get(
            f"/v1/audit/export{query}", headers={"Authorization": f"Bearer {acme.secrets['root']}"}
        ) as response:
            file = tmp_path / "audit.export"
            file.write_bytes(await response.read())
            return file

    return run


async def test_an_export_verifies_with_the_root_key_and_has_what_is_listed(acme, world, fetch):
    await acme("POST", f"/v1/apps/{APP}/channels", {"name": "x"})
    file, root = await fetch("?what=change"), world.releases._trust.held.key_set.root
    found = verify_export(file, root)
    assert (found.header.by, found.header.kinds, found.seal.entries, found.revoked) == ("root", ["change"], 2, False)
    assert [each.operation for each in entries_of(file)] == ["create_channel", "create_app"]


async def test_every_byte_of_an_export_is_covered(acme, world, fetch):
    file, root = await fetch(), world.releases._trust.held.key_set.root
    content = file.read_bytes()
    missed = []
    for place in range(0, len(content), 7):
        file.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        try:
            verify_export(file, root)
            missed.append(place)
        except Untrusted:
            continue
    assert missed == []


@pytest.mark.parametrize("cut", [1, 2, 3])
async def test_an_export_without_some_of_its_lines_is_refused(acme, world, fetch, cut):
    lines = (await fetch()).read_bytes().splitlines(keepends=True)
    file = world.store.root.parent / "cut.export"
    file.write_bytes(b"".join(lines[:-cut]))
    with pytest.raises(Untrusted):
        verify_export(file, world.releases._trust.held.key_set.root)


async def test_an_export_of_another_root_is_refused(acme, fetch):
    with pytest.raises(Untrusted, match="does not go back"):
        verify_export(await fetch(), "0" * 16)


async def test_the_head_that_an_export_names_stays_in_the_chain(acme, world, fetch):
    file = await fetch()
    seal = verify_export(file, world.releases._trust.held.key_set.root).seal
    folder = world.store.root.parent
    (folder / "id").write_text("homeid")
    assert head_is_kept(folder, seal) is True
    for path in (folder / "audit").glob("*.jsonl"):
        lines = path.read_bytes().splitlines(keepends=True)
        path.write_bytes(b"".join(lines[:2]))
    assert head_is_kept(folder, seal) is False
