"""The audit on the page: for who may read it, with filters in the address, and nothing of a stranger's as markup."""

import pytest
from control_world import APP, NOW, Api

from edge.control.shapes.insight.audit_page import AuditEntryView
from edge.page.views.audit.about import told_target
from edge.page.views.audit.audit import AuditFilter, audit_table, command_of, filter_of, lede_of


def an_entry(**changed):
    told = {
        "at": NOW,
        "who": "anna@example.com",
        "address": "192.0.2.7",
        "kind": "change",
        "operation": "set_channel",
        "outcome": "done",
        "code": "",
        "app": APP,
        "target": "name=production",
        "revision": 7,
        "summary": "",
        "reason": "",
        "change": "c",
        "page": False,
        "count": 1,
        "since": None,
        "n": 3,
        "digest": "d" * 64,
    }
    return AuditEntryView(**told | changed)


async def test_the_page_shows_who_did_what_and_the_side_leads_there(root, publish):
    await publish("1.0.0", "production")
    page = await root.get("/audit")
    assert page.status == 200
    assert "publish bundle" in page.text and "127.0.0.1" in page.text
    assert "/audit" in (await root.get("/")).seen.links
    assert f"/apps/{APP}/audit" in (await root.get(f"/apps/{APP}")).seen.links


async def test_the_audit_of_an_app_has_no_logins(root, publish):
    await publish("1.0.0", "production")
    assert "login token" in (await root.get("/audit")).text
    assert "login token" not in (await root.get(f"/apps/{APP}/audit")).text


async def test_who_reads_it_in_one_app_gets_no_link_to_all_of_it(root, publish):
    await publish("1.0.0", "production")
    made = await Api(root.client, root.secrets)("POST", "/v1/tokens", {"name": "of-app", "role": "admin", "app": APP})
    root.secrets["of-app"] = made["token"]
    await root.sign_in("of-app")
    links = (await root.get(f"/apps/{APP}")).seen.links
    assert f"/apps/{APP}/audit" in links and "/audit" not in links


async def test_a_failed_login_is_there_and_its_secret_is_not(root, browser):
    await browser.post("/login", {"token": "edge_" + "S" * 43})
    await Api(browser.client, browser.secrets)("POST", "/v1/apps", {"app": APP})  # a stranger waits for no disk
    page = await root.get("/audit?kind=login%2Clogout&refused=1")
    assert "unknown_token" in page.text and "SSSS" not in page.source


async def test_who_may_not_read_it_gets_no_link_and_a_refusal(browser, publish):
    await publish("1.0.0", "production")
    await browser.sign_in("publisher")
    assert "/audit" not in (await browser.get("/")).seen.links
    assert (await browser.get("/audit")).status == 403
    assert (await browser.get(f"/apps/{APP}/audit")).status == 403


async def test_what_is_no_filter_is_ignored(root):
    assert (await root.get("/audit?days=%3Cb%3E&kind=x&refused=maybe")).status == 200


async def test_pages_of_the_list(root, browser):
    api = Api(browser.client, browser.secrets)
    await api("POST", "/v1/apps", {"app": APP})
    for n in range(101):
        await api("POST", f"/v1/apps/{APP}/channels", {"name": f"c{n}"})
    first = await root.get(f"/apps/{APP}/audit?kind=change")
    (older,) = [link for link in first.seen.links if "cursor=" in link]
    last = await root.get(older)
    assert "create app" in last.text and "create app" not in first.text


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, AuditFilter("7")),
        ({"days": ""}, AuditFilter("")),
        ({"days": "8"}, AuditFilter("7")),
        ({"who": " anna ", "kind": "access", "refused": "1"}, AuditFilter("7", "anna", "access", "1")),
        ({"kind": "no such"}, AuditFilter("7")),
    ],
)
def test_a_filter_is_one_of_the_forms(asked, found):
    assert filter_of(asked) == found


def test_the_command_is_the_same_question():
    wanted = AuditFilter("30", "o'hara", "login,logout", "1")
    assert (
        command_of(APP, wanted)
        == f"edge audit --app {APP} --since 30d --who 'o'\"'\"'hara' --what login,logout --refused"
    )


def test_a_refusal_has_its_code_and_how_often():
    entry = an_entry(outcome="refused", code="forbidden", count=12, since=NOW - 60, who="")
    (row,) = audit_table([entry], NOW, of_app=False)["rows"]
    assert row["cells"][1]["text"] == "nobody known"
    assert row["cells"][3]["state"] == ("warn", "refused")
    assert row["cells"][3]["of"].startswith("forbidden · 12 times since ")
    (row,) = audit_table([an_entry(outcome="unknown", code="cut_off", since=NOW - 60)], NOW, of_app=False)["rows"]
    assert row["cells"][3]["of"] == "cut_off · of 22:12:20"


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("name=ci role=reader", "ci, role reader"),
        (
            "person=a@b.example role=viewer scope=app:com.a/beta",
            "a@b.example, role viewer, for channel beta of app com.a",
        ),
        (
            "mail=a@b.example holds=admin:org:acme,viewer:everything",
            "a@b.example, with admin of organisation acme, viewer",
        ),
        ('channel="two words" device=0123456789abcdef', "channel two words, device with the digest 0123456789abcdef"),
        ("name=a; name=b scope=nowhere", "a; b, for nowhere"),
        ("12 bytes moved aside", "12 bytes moved aside"),
        ('name="a\\q" x', 'name="a\\q" x'),
        ('name="cut off', 'name="cut off'),
        ("", ""),
    ],
)
def test_what_it_was_about_is_in_words(target, told):
    assert told_target(target) == told


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ((0, 0, False), "Nothing is recorded of that."),
        ((1, 0, False), "1 entry. Nothing was refused."),
        ((100, 3, True), "The newest 100 are here, and there are more. 3 refused."),
    ],
)
def test_the_sentence_says_what_is_on_the_page(given, said):
    entries, refused, more = given
    assert lede_of(entries, refused, more=more) == said
