"""The page of a channel over HTTP: what it asks, what stands there when a part is missing, and that names are text."""

import re

from channel_sights import a_change, a_report, a_sight, a_sight_in_trouble
from control_world import APP
from stats_answers import an_answer

from edge.page.rendering import render, static_files
from edge.page.views.channel.page import release_values, tabs, trouble_values
from edge.page.views.visit import Unread

CHANNEL = f"/apps/{APP}/channels/production"
NASTY = '<img src=x onerror="alert(1)">'
UNREAD = Unread(code="figures_unavailable", message="the folding process does not answer")


def rendered(sight, template="channel.html"):
    values = release_values(sight) | {"tabs": tabs(sight, "release"), "buttons": ()}
    if template == "trouble.html":
        values |= trouble_values(sight)
    return render(template, values).decode()


def test_a_page_with_every_chart_is_within_its_budget():
    css = len(static_files()["page.css"].body)
    for sight, template in ((a_sight(), "channel.html"), (a_sight_in_trouble(), "trouble.html")):
        assert len(rendered(sight, template)) + css < 140_000


def test_no_page_has_a_style_or_a_script_of_its_own():
    for source in (rendered(a_sight()), rendered(a_sight_in_trouble(), "trouble.html")):
        assert not re.search(r"\sstyle=|<style|\son\w+=", source)
        scripts = [each for each in re.findall(r"<script([^>]*)>", source) if " src=" not in each]
        assert set(scripts) == {' type="application/json" class="values"'}


def test_names_and_reasons_of_others_are_text():
    sight = a_sight_in_trouble(history=[a_change(3, a_sight_in_trouble().rollout.paused, NASTY, NASTY, reason=NASTY)])
    report = a_report(NASTY, 5, 0.2, healthy=50, failed=1, failures=[(NASTY, "1", 3)])
    nasty = a_sight(figures=an_answer(report=report), earlier=[report])
    for source in (rendered(sight, "trouble.html"), rendered(nasty)):
        assert "<img" not in source


def test_each_part_fails_alone():
    source = rendered(a_sight(figures=UNREAD, sent=UNREAD))
    assert source.count("could not be read</b> (figures_unavailable)") == 3
    assert "Evidence that 2.31.0 fails more than" in source
    source = rendered(a_sight(guard=UNREAD))
    assert "The guard could not be read" in source and "Adoption of 2.31.0 beside earlier releases" in source


def test_trouble_begins_with_what_is_wrong_and_its_heading_is_the_pages():
    source = rendered(a_sight_in_trouble(), "trouble.html")
    first = source[source.index("<main") :]
    assert re.search(r'<section class="alarm".*?<h1 id="t">4.12.0 fails on Android 9 and 10</h1>', first, re.S)
    assert source.count("<h1") == 1


def test_the_page_says_what_no_report_knows():
    assert "No report names the model of a device." in rendered(a_sight())


async def test_a_rollout_has_a_page_with_its_buttons(root, publish):
    await publish("1.0.0", "production")
    await publish("1.1.0")
    confirmation = await root.get(f"{CHANNEL}/acts/start?bundle=1.1.0&steps=5,100")
    fields = {name: value for name, value in confirmation.seen.fields.items() if name != "form_token"}
    await root.post(f"{CHANNEL}/acts/start?bundle=1.1.0&steps=5,100", fields)
    page = await root.get(CHANNEL)
    assert page.status == 200, page.text
    assert "1.1.0 to 5\u202f%, step 1 of 2" in page.source and f"{CHANNEL}/acts/pause" in page.seen.links
    settings = await root.get(f"{CHANNEL}/settings")
    assert settings.status == 200 and "Updates of native versions" in settings.text


async def test_an_unknown_channel_has_no_page(root, publish):
    await publish("1.0.0")
    page = await root.get(f"/apps/{APP}/channels/nowhere")
    assert page.status == 404 and "unknown_channel" in page.text
