"""Which releases are judged: at least one between any two borders of the capability table that the registry has.

The registry keeps 137 of the plugin's 988 releases; those with Volley do not compile against the stubs (README.md).
"""

from edge.domain.errors import Invalid
from edge.domain.model import Platform
from tests.real_plugin.cell import Line

ANDROID = (
    *("5.43.3", "5.45.10", "5.50.2"),
    *("6.14.10", "6.14.26", "6.39.0", "6.42.3", "6.42.9", "6.43.5", "6.45.10", "6.50.2", "6.51.16"),
    *("7.0.50", "7.7.6", "7.8.7", "7.9.1", "7.15.2", "7.18.4", "7.18.14", "7.22.0", "7.25.0", "7.27.8", "7.36.1"),
    *("7.41.1", "7.42.3", "7.43.3", "7.45.10", "7.50.2", "7.51.16", "7.51.21"),
    *("8.40.7", "8.40.8", "8.41.12", "8.43.11", "8.45.3", "8.45.10", "8.45.11", "8.46.1", "8.49.7"),
    *("8.51.3", "8.51.8", "8.51.10", "8.51.14", "8.51.16", "8.51.22", "8.51.23"),
)
ELECTRON = ("0.0.6",)

LINES = (*(Line(release) for release in ANDROID), *(Line(release, Platform.ELECTRON) for release in ELECTRON))


# Together they stand on both sides of most borders: the newest; the last that says `builtin`, of the second generation;
# one that writes reused files wrongly, knows no V3, leaves its channel with the server and sends single reports; one
# with a shared temporary file, exact hashes, and zips that pass only without a checksum. Electron costs little.
CI_LINES = (
    *(Line(release) for release in ("8.51.23", "8.43.11", "7.27.8", "6.42.3")),
    Line("0.0.6", Platform.ELECTRON),
)


def find_line(release: str) -> Line:
    """A release by its number; those of the Electron package begin with 0. Raises Invalid `invalid_plugin_version`."""
    line = Line(release, Platform.ELECTRON if release.startswith("0.") else Platform.ANDROID)
    try:
        line.can("answer_generation")
    except Invalid as error:
        raise SystemExit(f"edge: {error}") from error
    return line
