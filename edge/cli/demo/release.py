"""The demo app's releases: a small web app in a folder, as a build would leave it.

The script contains a list of time zones, so that one file is large enough for brotli and is the same in every release.
"""

from importlib.resources import files
from pathlib import Path
from typing import NamedTuple
from zoneinfo import available_timezones

APP = "com.example.demo"
CHANNEL = "production"
NATIVE = "1.0.0"  # the version of the app in the store


class DemoRelease(NamedTuple):
    """One version of the demo app, with the text that its page shows."""

    version: str
    news: str
    channel: str | None = CHANNEL  # None: published for later


RELEASES = (
    DemoRelease("1.0.1", "The first release after the one in the store."),
    DemoRelease("1.0.2", "Delivered live, without a new release in any store."),
)
GOOD = DemoRelease("1.1.0", "Nothing speaks against it.", None)
BAD = DemoRelease("1.2.0", "It fails on one start in ten, which nobody knows yet.", None)
ANEW = DemoRelease("1.3.0", "The checkout takes one step.", None)
STORY = (GOOD, BAD, ANEW)  # offered by rollouts and an experiment
BETA = DemoRelease("1.1.0-beta.1", "For beta testers first.", "beta")


def write_release(release: DemoRelease, folder: Path) -> None:
    """`index.html`, `assets/app.js`, `assets/style.css`."""
    source = files("edge.cli.demo") / "app"
    assets = folder / "assets"
    assets.mkdir(parents=True)
    page = (source / "index.html").read_text()
    (folder / "index.html").write_text(page.replace("@VERSION@", release.version).replace("@NEWS@", release.news))
    (assets / "app.js").write_text(_zones() + (source / "app.js").read_text())
    (assets / "style.css").write_text((source / "style.css").read_text())


def _zones() -> str:
    rows = (f'  ["{zone.rpartition("/")[2].replace("_", " ")}", "{zone}"],\n' for zone in sorted(available_timezones()))
    return "const ZONES = [\n" + "".join(rows) + "];\n"
