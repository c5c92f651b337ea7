"""A zip is dropped on the page, checked before anything is committed, shown, and published where a person says."""

import io
import zipfile

import aiohttp
import pytest
from control_world import APP, GRANTS, NOW, pack
from token_making import admin, make_token

BUNDLES, PUBLISH = f"/apps/{APP}/bundles", f"/apps/{APP}/publish"


def zip_of(**files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in ({"index.html": "<html></html>"} | files).items():
            archive.writestr(name.replace("__", "."), content)
    return buffer.getvalue()


def form_of(token, version="2.0.0", content=None, name="web.zip"):
    form = aiohttp.FormData()
    form.add_field("form_token", token)
    form.add_field("version", version)
    form.add_field("bundle", content if content is not None else zip_of(app__js="1"), filename=name)
    return form


async def drop(browser, **given):
    """The answer to a zip that is dropped."""
    token = given.pop("token", browser.form_token)
    headers = {"Origin": f"http://{browser.host}", "Cookie": f"edge_session={browser.cookie}"}
    async with browser.client.post(
        PUBLISH, data=form_of(token, **given), headers=headers, allow_redirects=False
    ) as response:
        return response.status, response.headers.get("Location", ""), await response.text()


@pytest.fixture
async def app(browser, publish):
    await publish("1.0.0", "production")
    await browser.sign_in("publisher")
    await browser.get(BUNDLES)
    return browser


async def packed(browser, drops, **given):
    """The page of a drop whose packing is over."""
    status, address, text = await drop(browser, **given)
    assert status == 303, text
    await drops.settled()
    return address, await browser.get(address)


def asked(page):
    return {name: value for name, value in page.seen.fields.items() if name != "form_token"}


async def test_a_zip_is_published_as_a_guarded_rollout(app, world, drops):
    address, page = await packed(app, drops)
    assert "It is checked and packed" in page.text and "2.0.0" not in world.releases.load(APP).bundles
    choice = "channel=production&how=rollout&steps=1,100&every=6h"
    confirmation = await app.get(f"{address}?{choice}")
    assert "Publish 2.0.0 on production, step by step" in confirmation.text
    assert f"edge bundle publish {APP} web.zip --version 2.0.0 --channel production" in confirmation.text
    done = await app.post(address, asked(confirmation) | {"reason": "the new checkout"})
    assert done.location == f"/apps/{APP}/channels/production"
    state = world.releases.load(APP)
    assert state.channels["production"].rollout.bundle == "2.0.0" and state.channels["production"].bundle == "1.0.0"
    assert (await app.get(address)).status == 404, "it is published: nothing is left of the drop"


async def test_it_may_only_be_kept(app, world, drops):
    address, _ = await packed(app, drops)
    confirmation = await app.get(f"{address}?channel=")
    done = await app.post(address, asked(confirmation))
    assert done.location == BUNDLES and "2.0.0" in world.releases.load(APP).bundles


async def test_a_refused_zip_says_why_and_leaves_nothing(app, world, drops, tmp_path):
    address, page = await packed(app, drops, content=zip_of(id_rsa="x"))
    assert "suspect_files" in page.text and "nothing was kept" in page.text
    assert list((tmp_path / "drops").iterdir()) == []
    done = await app.post(address, {"channel": "", "change": "page-" + "0" * 32, "revision": "1"})
    assert done.status == 422 and "2.0.0" not in world.releases.load(APP).bundles


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({"token": "wrong"}, 403),
        ({"version": ""}, 422),
        ({"version": "../x"}, 422),
        ({"name": ""}, 422),
    ],
)
async def test_a_form_that_is_wrong_is_refused_before_its_file_is_kept(app, tmp_path, given, status):
    found, _, text = await drop(app, **given)
    assert found == status, text
    assert list((tmp_path / "drops").iterdir()) == []


async def test_other_kinds_of_forms_are_refused(app):
    assert (await app.post(PUBLISH, {"version": "2.0.0"})).status == 400
    foreign = await app.post(PUBLISH, {"version": "2.0.0"}, origin="https://evil.example.com")
    assert foreign.status == 403


async def test_a_reader_may_drop_nothing(app):
    await app.sign_in("reader")
    await app.get("/")
    status, _, text = await drop(app)
    assert status == 403 and "may not publish" in text


async def test_an_uploader_may_keep_and_offer_nothing(app, world, drops):
    await app.sign_in("uploader")
    await app.get("/")
    address, page = await packed(app, drops)
    assert "offer none" in page.text
    refused = await app.get(f"{address}?channel=production&how=all")
    assert "forbidden" in refused.text
    done = await app.post(address, asked(await app.get(f"{address}?channel=")))
    assert done.location == BUNDLES and "2.0.0" in world.releases.load(APP).bundles


async def test_a_drop_is_its_owners_alone(app, drops):
    address, _ = await packed(app, drops)
    await app.sign_in("root")
    assert (await app.get(address)).status == 404
    await app.sign_in("publisher")
    assert (await app.get(address)).status == 200


async def test_a_new_token_of_the_same_name_has_none_of_its_drops(app, world, drops):
    address, _ = await packed(app, drops)
    world.tokens.revoke("publisher", admin())
    role, of = GRANTS["publisher"]
    app.secrets["publisher"] = make_token(world.tokens, "publisher", role, of, now=NOW, command="again")
    await app.sign_in("publisher")
    assert (await app.get(address)).status == 404


async def test_somebody_who_was_faster_is_told(app, world, drops, publish):
    address, _ = await packed(app, drops)
    confirmation = await app.get(f"{address}?channel=production&how=all")
    await publish("1.1.0")
    done = await app.post(address, asked(confirmation))
    assert done.location == address and "Somebody was faster." in (await app.get(address)).text
    assert "2.0.0" not in world.releases.load(APP).bundles


async def test_it_is_forgotten_after_an_hour(app, drops, clock):
    address, _ = await packed(app, drops)
    clock.at += 3_601
    await app.sign_in("publisher")
    assert (await app.get(address)).status == 404


async def test_what_runs_is_ended_by_a_choice_and_the_version_typed(app, world, drops):
    address, _ = await packed(app, drops)
    await app.post(address, asked(await app.get(f"{address}?channel=production&how=rollout&steps=1,100&every=6h")))
    address, _ = await packed(app, drops, version="2.1.0")
    query = "channel=production&how=all"
    refused = await app.get(f"{address}?{query}")
    assert "[rollout_active]" in refused.text and "End the rollout" in refused.text and "--force" not in refused.text
    confirmation = await app.get(f"{address}?{query}&force=yes")
    assert "--force" in confirmation.text and "Type 2.1.0" in confirmation.text
    await app.post(address, asked(confirmation))
    assert "2.1.0" not in world.releases.load(APP).bundles
    await app.post(address, asked(confirmation) | {"typed": "2.1.0"})
    assert world.releases.load(APP).channels["production"].bundle == "2.1.0"


async def test_the_apps_source_is_named_as_such(app, drops):
    _, page = await packed(app, drops, content=zip_of(package__json="{}", yarn__lock=""))
    assert "There are package.json and yarn.lock in it" in page.text


SETTINGS = '<manifest package="com.acme.other"><uses-permission name="{}"/></manifest>'


async def test_app_stores_warnings_are_those_of_the_publish(app, publish, drops):
    name = "AndroidManifest.xml"
    await publish("1.1.0", "production", pack(**{name: SETTINGS.format("NFC")}))
    address, page = await packed(app, drops, content=zip_of(**{name: SETTINGS.format("CAMERA")}))
    assert "[app_id_differs]" in page.text and "[permissions_differ]" not in page.text
    assert "not compared yet with those of the bundle before it" in page.text
    chosen = (await app.get(f"{address}?channel=production&how=all")).text
    assert chosen.count("[app_id_differs]") == 1 and "new: CAMERA; gone: NFC" in chosen
    assert "not compared yet" not in chosen and "Permissions and APIs" in chosen
