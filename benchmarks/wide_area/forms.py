"""Zip or files over the emulated link: the same update in either form, and in the one that the node chose. Pure.

The node knows the link, as it would after a day of deliveries over it.
"""

import statistics
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from benchmarks.output.tables import Table
from benchmarks.wide_area.link import WanLink

MANIFEST, ZIP, CHOSEN = "manifest", "zip", "fastest"
FORMS = (MANIFEST, ZIP, CHOSEN)  # each is a channel's preference, and the channel's name
WITHIN = 0.10  # of the better form


@dataclass(slots=True)
class FormsCell:
    """Updates of one package over one link: seconds by form, and which form was `sent` as the faster one."""

    package: str
    link: WanLink
    samples: dict[str, list[float]] = field(default_factory=dict)
    sent: str = ""

    def add(self, form: str, seconds: float) -> None:
        self.samples.setdefault(form, []).append(seconds)

    def median(self, form: str) -> float:
        return statistics.median(self.samples[form])

    @property
    def of_better(self) -> float:
        """What the chosen form takes of what the better one does; updates of a form are alike, whoever chose it."""
        return self._of(self.sent) / min(self._of(MANIFEST), self._of(ZIP))

    def _of(self, form: str) -> float:
        chosen = self.samples.get(CHOSEN, []) if form == self.sent else []
        return statistics.median([*self.samples[form], *chosen])


def forms_table(cells: Iterable[FormsCell]) -> Table:
    cells = list(cells)
    worst = max(cells, key=lambda cell: cell.of_better)
    right = sum(cell.of_better <= 1 + WITHIN for cell in cells)
    notes = (
        "The chosen form over the better one is of medians; what was chosen is one more sample of its form. Within "
        f"{WITHIN:.0%} of the better one in {right} of {len(cells)} cells; at worst {worst.of_better:.2f} "
        f"({worst.package}, {worst.link.round_trip_seconds * 1e3:g} ms, {worst.link.rate_bps / 1e6:g} Mbit/s).",
    )
    columns = ("Mbit/s", "round trip", "package", "files, ms", "zip, ms", "chosen, ms", "chosen", "of the better")
    return Table(title="Zip or files", columns=columns, rows=tuple(_rows(cells)), notes=notes)


def _rows(cells: Iterable[FormsCell]) -> Iterator[tuple[str | float, ...]]:
    for cell in cells:
        times = (round(cell.median(form) * 1e3) for form in FORMS)
        link = (f"{cell.link.rate_bps / 1e6:g}", f"{cell.link.round_trip_seconds * 1e3:g}")
        yield (*link, cell.package, *times, cell.sent, f"{cell.of_better:.2f}")
