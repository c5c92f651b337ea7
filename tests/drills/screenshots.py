"""Every page of a real node that has something to show, at phone and desk size, light and dark.

    python -m tests.drills.screenshots [FOLDER] [--phones N]

Takes some two minutes. Exits with 1 if a page reports a fault, is wider than the screen, or axe finds a barrier on it.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from tests.worlds.page_story import DRIVER, KIOSK, RIDER, Story
from tests.worlds.running_node import serving_node
from tests.worlds.screens import DESK, PHONE, Screen, chromium

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
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    faults: list[str] = []
    with tempfile.TemporaryDirectory() as temporary, chromium() as launched:
        room = Path(temporary)
        with serving_node(room, EDGE_DEVICES_TRUSTED_PROXIES="127.0.0.1/32") as node:
            faults += take(launched, node, options.folder, {"first": "/"})
            story = Story(node, room)
            story.tell(options.phones)
            story.wait_until_paused()
            story.report_nodes()
            faults += take(launched, node, options.folder, PAGES)
            faults += take(launched, node, options.folder, ALONE, signed_in=False)
            story.close()
    for each in faults:
        print(each, file=sys.stderr)
    print(f"{len(list(options.folder.glob('*.png')))} pictures in {options.folder}, {len(faults)} faults")
    return 1 if faults else 0


def take(launched, node, folder, pages, *, signed_in=True):
    """A picture of each page in each form; what is wrong with them."""
    faults = []
    for size_name, size in SIZES.items():
        for scheme in ("light", "dark"):
            screen = Screen(launched, node, size, scheme)
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
