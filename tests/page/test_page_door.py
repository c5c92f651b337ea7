"""What stands before every page: names, origins, headers, limits."""

import pytest

from edge.page.app import QUERY_LIMIT
from edge.page.door.headers import POLICY


async def test_each_answer_lets_nothing_from_elsewhere_in(root):
    for path in ("/", "/login", "/nothing"):
        page = await root.get(path)
        assert page.headers["Content-Security-Policy"] == POLICY
        assert page.headers["X-Content-Type-Options"] == "nosniff"
        assert page.headers["Cache-Control"] == "no-store"
        assert page.headers["Referrer-Policy"] == "same-origin"


async def test_no_page_has_an_inline_style_or_script(root):
    for path in ("/", "/login", "/nothing"):
        source = (await root.get(path)).source
        assert " style=" not in source and "<style" not in source and "javascript:" not in source
        assert all("src=" in each.split(">")[0] for each in source.split("<script")[1:])


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8081", "127.0.0.1.evil.example", "", "a@127.0.0.1"])
async def test_a_page_under_another_name_is_refused(root, host):
    page = await root.get("/", Host=host)
    assert page.status in (400, 421) and "root" not in page.text


async def test_a_page_under_a_name_of_the_config_is_served(browser):
    assert (await browser.get("/login", Host="edge.example.com")).status == 200


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1"])
async def test_a_form_of_another_site_is_refused(root, origin):
    page = await root.post("/logout", {}, origin=origin)
    assert page.status == 403 and "foreign_form" in page.text
    assert (await root.get("/")).status == 200


@pytest.mark.parametrize("charset, body", [("utf-8", b"mail=\xff"), ("nothing", b"mail=a")])
async def test_a_form_that_cannot_be_read_is_refused(browser, charset, body):
    told = {"Origin": f"http://{browser.host}", "Content-Type": f"application/x-www-form-urlencoded; charset={charset}"}
    async with browser.client.request("POST", "/login", headers=told, data=body) as answer:
        assert answer.status == 400 and "invalid_form" in await answer.text()


async def test_a_probe_asks_for_heads_alone(root, browser):
    assert (await root.head("/")).status == 200
    browser.cookie = ""
    assert (await browser.head("/nodes")).location == "/login?next=/nodes"
    assert (await browser.head("/login")).status == 200


async def test_an_unknown_address_is_a_page_with_a_code(root):
    page = await root.get("/nothing")
    assert page.status == 404 and "not_found" in page.text and "<h1>" in page.source


async def test_the_api_answers_as_before(browser):
    page = await browser.get("/v1/nothing")
    assert page.status == 404 and page.headers["Content-Type"].startswith("application/json")


async def test_a_query_beyond_the_limit_is_refused(root):
    assert (await root.get("/?q=" + "a" * QUERY_LIMIT)).status == 400


async def test_files_beside_the_pages_are_kept_by_their_bytes(root):
    page = await root.get("/")
    (address,) = {each for each in page.source.split('"') if each.endswith("page.css")}
    sheet = await root.get(address)
    assert sheet.status == 200 and "immutable" in sheet.headers["Cache-Control"]
    assert (await root.get(address.replace("/static/", "/static/0"))).status == 404
