"""The entries of the page of definitions, and every figure within an answer."""

import re

import msgspec
from places import ROOT

from edge.domain.statistics.definitions import Figure

PAGE_FILE = ROOT / "edge" / "domain" / "statistics" / "DEFINITIONS.md"


def headings() -> list[str]:
    """Of the entries, as anchors."""
    titles = re.findall(r"^### (.+)$", PAGE_FILE.read_text(), re.MULTILINE)
    return [re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles]


def figures_in(value: object):
    """Every Figure in an answer, however deep."""
    if isinstance(value, Figure):
        yield value
    elif isinstance(value, msgspec.Struct):
        yield from (figure for name in value.__struct_fields__ for figure in figures_in(getattr(value, name)))
    elif isinstance(value, list | tuple):
        yield from (figure for each in value for figure in figures_in(each))
