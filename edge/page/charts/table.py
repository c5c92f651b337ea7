"""The table that every chart has, so that it is never the only place of a value."""

from collections.abc import Sequence
from typing import NamedTuple, TypeVar

from markupsafe import Markup

from edge.page.charts.svg import element, joined
from edge.page.words.numbers import named

T = TypeVar("T")

ROWS_LIMIT = 60  # beyond that they are thinned, both ends kept: 200 rows of two charts are half a page's budget


class Table(NamedTuple):
    """Each row begins with its name; the other cells are numbers as text."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def draw_table(title: str, table: Table) -> Markup:
    head = element(
        "tr",
        *(element("th", named(each), scope="col", class_="num" if n else None) for n, each in enumerate(table.columns)),
    )
    body = (element("tr", _cells(row)) for row in thinned(table.rows, ROWS_LIMIT))
    written = element("table", element("thead", head), element("tbody", *body), class_="dense")
    region = element("div", written, class_="scroll", tabindex="0", role="region", aria_label=f"Table: {title}")
    return element("details", element("summary", f"Table: {title}"), region, class_="more")


def thinned(rows: Sequence[T], most: int) -> list[T]:
    """At most so many of them, evenly, with the first and the last."""
    if len(rows) <= most:
        return list(rows)
    return [rows[round(each * (len(rows) - 1) / (most - 1))] for each in range(most)]


def _cells(row: tuple[str, ...]) -> Markup:
    first = element("th", named(row[0]), scope="row")
    return joined([first, *(element("td", named(each), class_="num") for each in row[1:])])
