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
_KINDS = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml", ".png": "image/png"}


class StaticFile(NamedTuple):
    """A file beside the pages; its address has `version`, so that a browser keeps it for good."""

    body: bytes
    content_type: str
    version: str


@cache
def static_files() -> Mapping[str, StaticFile]:
    """All of them, by name: read once."""
    found = {}
    for path in sorted((HERE / "static").iterdir()):
        if path.suffix in _KINDS:
            body = path.read_bytes()
            found[path.name] = StaticFile(body, _KINDS[path.suffix], hashlib.sha256(body).hexdigest()[:12])
    return found


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
