"""Charts in a real Chromium, under the page's own policy: drawn again by script, read out by keys, kept without it."""

import re

import pytest
from channel_sights import NOW, a_sight, a_sight_in_trouble
from experiment_readings import a_reading
from screens import DESK, PHONE, Screen, chromium, needs_chromium

from edge.page.door.headers import GUARDS
from edge.page.rendering import render, static_files
from edge.page.views.channel.page import release_values, tabs, trouble_values
from edge.page.views.experiment.page import reading_values

pytestmark = [pytest.mark.long, needs_chromium]
PAGES = ("/well", "/trouble", "/experiment")
ORIGIN = "http://localhost:9"
CURSOR = "() => document.querySelector('#failed .reading').textContent"
PIXELS = "() => [...document.querySelectorAll('.plot canvas')].map((each) => each.toDataURL().length)"


class NoNode:
    control = ORIGIN


def sources():
    well, bad = a_sight(), a_sight_in_trouble()
    given = {"buttons": (), "frame": {"name": "anna", "role": "admin"}, "title": "A channel"}
    return {
        "/well": render("channel.html", release_values(well) | {"tabs": tabs(well, "release")} | given),
        "/trouble": render(
            "trouble.html", release_values(bad) | trouble_values(bad) | {"tabs": tabs(bad, "release")} | given
        ),
        "/experiment": render("experiment.html", reading_values(a_reading(), NOW) | given),
    }


@pytest.fixture(scope="module")
def launched():
    with chromium() as found:
        yield found


@pytest.fixture
def open_screen(launched):
    screens, pages = [], sources()

    def start(**profile):
        screen = Screen(launched, NoNode, **profile)
        screen.page.route("**/*", lambda route: _serve(route, pages))
        screens.append(screen)
        return screen

    yield start
    for each in screens:
        each.close()


def _serve(route, pages):
    path = route.request.url.removeprefix(ORIGIN)
    if path.startswith("/static/"):
        found = static_files()[path.rpartition("/")[2]]
        route.fulfill(body=found.body, content_type=found.content_type)
    elif path in pages:
        route.fulfill(body=pages[path], content_type="text/html; charset=utf-8", headers=dict(GUARDS))
    else:
        route.fulfill(status=404)


def drawn(screen, path):
    page = screen.go(path)
    charts = page.locator("figure.chart").count()
    page.wait_for_function(f"() => document.querySelectorAll('.plot.drawn canvas').length === {charts}")
    return page


def test_the_pages_policy_lets_the_script_draw(open_screen):
    screen = open_screen()
    for path in PAGES:
        drawn(screen, path)
    assert screen.faults == []


def test_arrow_keys_read_the_values_out(open_screen):
    page = drawn(open_screen(), "/well")
    page.locator("#failed .plot").focus()
    page.keyboard.press("End")
    assert re.search(r"15 of 6,810 failed, .*0\.57", page.evaluate(CURSOR))
    page.keyboard.press("ArrowLeft")
    before = page.evaluate(CURSOR)
    assert "failed" in before and "6,810" not in before
    page.keyboard.press("Home")
    assert page.evaluate(CURSOR) != before
    page.keyboard.press("Escape")
    assert page.evaluate(CURSOR) == ""
    assert page.get_attribute("#failed .reading", "aria-live") == "polite"


def test_a_change_of_scheme_draws_again(open_screen):
    page = drawn(open_screen(), "/well")
    light = page.evaluate(PIXELS)
    page.emulate_media(color_scheme="dark")
    page.wait_for_function(f"(light) => JSON.stringify(({PIXELS})()) !== JSON.stringify(light)", arg=light)


def test_charts_take_their_size_from_the_page(open_screen):
    page = drawn(open_screen(), "/well")
    page.set_viewport_size({"width": 360, "height": 700})
    page.wait_for_function("() => document.querySelector('#adoption canvas').clientWidth < 360")
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 360


def test_without_script_the_svg_stays(open_screen):
    page = open_screen(script=False).go("/well")
    assert page.locator("#adoption .plot > svg").is_visible() and page.locator("canvas").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESK, PHONE])
def test_nobody_is_kept_out(open_screen, scheme, size):
    screen = open_screen(scheme=scheme, size=size)
    for path in PAGES:
        drawn(screen, path)
        screen.open_all()
        assert screen.barriers() == [] and not screen.is_wider_than_screen()
