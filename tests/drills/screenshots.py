"""Every page of a real node that has something to show, at phone and desk size, light and dark.

    python -m tests.drills.screenshots [FOLDER] [--phones N] [--only releases|team]

Takes some four minutes. Exits with 1 if a page reports a fault, is wider than the screen, or axe finds a barrier on it.
"""

import argparse
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

from tests.worlds.page_story import DRIVER, KIOSK, RIDER, Story
from tests.worlds.running_node import serving_node
from tests.worlds.screens import DESK, PHONE, Screen, chromium
from tests.worlds.team_story import WEBHOOK, TeamScreen, TeamStory

PAGES = {
    "overview": "/",
    "app": f"/apps/{DRIVER}",
    "trouble": f"/apps/{RIDER}/channels/production",
    "channel": f"/apps/{DRIVER}/channels/production",
    "calm": f"/apps/{KIOSK}/channels/production",
    "settings": f"/apps/{RIDER}/channels/production/settings",
    "experiment": f"/apps/{DRIVER}/channels/beta/experiment",
    "segments": f"/apps/{RIDER}/segments",
    "devices": f"/apps/{RIDER}/devices",
    "bundles": f"/apps/{RIDER}/bundles",
    "history": f"/apps/{RIDER}/history",
    "nodes": "/nodes",
    "people": "/people",
    "audit": "/audit",
    "messages": f"/apps/{RIDER}/messages",
    "message": f"/apps/{RIDER}/messages/new",
    "confirmation": f"/apps/{RIDER}/channels/production/acts/rollback",
    "start": f"/apps/{KIOSK}/channels/production/acts/start",
    "guard": f"/apps/{KIOSK}/channels/production/acts/guard",
    "missing": "/nothing",
}
ALONE = {"login": "/login"}
SIZES = {"desk": DESK, "phone": PHONE}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", default="screenshots", type=Path)
    parser.add_argument("--phones", type=int, default=60)
    parser.add_argument("--only", choices=("releases", "team"))
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    faults: list[str] = []
    with chromium() as launched:
        if options.only != "team":
            faults += take_releases(launched, options)
        if options.only != "releases":
            faults += take_team(launched, options)
    for each in faults:
        print(each, file=sys.stderr)
    print(f"{len(list(options.folder.glob('*.png')))} pictures in {options.folder}, {len(faults)} faults")
    return 1 if faults else 0


@contextmanager
def telling(**settings):
    """A story on a node of its own."""
    with tempfile.TemporaryDirectory() as temporary:
        room = Path(temporary)
        with serving_node(room, EDGE_DEVICES_TRUSTED_PROXIES="127.0.0.1/32", **settings) as node:
            story = Story(node, room)
            yield story
            story.close()


def take_releases(launched, options):
    with telling() as story:
        faults = take(launched, story.node, options.folder, {"first": "/"})
        story.tell(options.phones)
        story.wait_until_paused()
        story.report_nodes()
        faults += take(launched, story.node, options.folder, PAGES)
        return faults + take(launched, story.node, options.folder, ALONE, signed_in=False)


def take_team(launched, options):
    with telling(**WEBHOOK) as story:
        team = TeamStory(story).tell(options.phones)
        carla = TeamScreen(launched, story.node)
        carla.accept()
        carla.close()
        return take(launched, story.node, options.folder, team.pages(), screen_of=TeamScreen)


def take(launched, node, folder, pages, *, signed_in=True, screen_of=Screen):
    """A picture of each page in each form; what is wrong with them."""
    faults = []
    for size_name, size in SIZES.items():
        for scheme in ("light", "dark"):
            screen = screen_of(launched, node, size=size, scheme=scheme)
            if signed_in:
                screen.sign_in()
            for name, path in pages.items():
                form = f"{name}-{size_name}-{scheme}"
                screen.go(path)
                screen.page.screenshot(path=folder / f"{form}.png", full_page=True)
                screen.open_all()
                wide = ["wider than the screen"] if screen.is_wider_than_screen() else []
                seen = [each for each in screen.faults if name != "missing" or "404" not in each]
                faults += [f"{form}: {each}" for each in (*wide, *screen.barriers(), *seen)]
                screen.faults.clear()
            screen.close()
    return faults


if __name__ == "__main__":
    sys.exit(main())
