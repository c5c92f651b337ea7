"""Templates to bytes. Everything is escaped but the SVG that charts make as Markup; a missing value is an error."""

import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import jinja2

from edge.domain.errors import Unavailable

HERE = Path(__file__).parent
PAGE_LIMIT_BYTES = 4 * 1024 * 1024  # a page is some 100 kB; a list that is not cut must not fill the supervisor
CHARTED, ACCOUNT = "charted.js", "account.js"
# All that such a page runs, in one request; who meets a fault leaves what is before it.
_JOINED = {CHARTED: ("page.js", "uplot.js", "charts.js"), ACCOUNT: ("page.js", "passkeys.js")}
_OWN_SCRIPTS = ("page.js", "charts.js", "passkeys.js")
_KINDS = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml", ".png": "image/png"}


class StaticFile(NamedTuple):
    """A file beside the pages; its address has `version`, so that a browser keeps it for good."""

    body: bytes
    content_type: str
    version: str


@cache
def static_files() -> Mapping[str, StaticFile]:
    """All of them, by name: read once."""
    read = {path.name: path.read_bytes() for path in (HERE / "static").iterdir() if path.suffix in _KINDS}
    bodies = {name: trimmed(body) if name in _OWN_SCRIPTS else body for name, body in read.items()}
    bodies |= {joined: b"".join(bodies[name] for name in names) for joined, names in _JOINED.items()}
    return {
        name: StaticFile(body, _KINDS[Path(name).suffix], hashlib.sha256(body).hexdigest()[:12])
        for name, body in sorted(bodies.items())
    }


def trimmed(script: bytes) -> bytes:
    """Without indentation and lines that are a comment alone: for scripts of ours, in which no text spans lines."""
    lines = (line.strip() for line in script.splitlines())
    return b"".join(line + b"\n" for line in lines if line and not line.startswith(b"//"))


def static_address(name: str) -> str:
    return f"/static/{static_files()[name].version}/{name}"


@cache
def templates() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=jinja2.ChainableUndefined,  # parts ask for members that a value may leave out
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.globals["static"] = static_address
    return environment


def render(template: str, values: Mapping[str, Any]) -> bytes:
    """The page as UTF-8. Takes CPU time: call it off the loop. Raises Unavailable `page_too_large`."""
    page = templates().get_template(template).render(values).encode("utf-8", "replace")
    if len(page) > PAGE_LIMIT_BYTES:
        raise Unavailable("page_too_large", "this page would be too large; ask for less of it, or use the command line")
    return page
