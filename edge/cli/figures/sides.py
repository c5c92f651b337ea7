"""What came of each side of a rollout or arm of an experiment, beside what its verb shows."""

from typing import Any

import msgspec

from edge.cli.figures.page import Block, Footer, Heading
from edge.cli.figures.releases_page import sides_grid
from edge.cli.figures.stats import show_page
from edge.cli.figures.values import seconds
from edge.cli.terminal.client import ControlClient
from edge.cli.terminal.output import note
from edge.domain.errors import EdgeError
from edge.domain.statistics.definitions import PAGE
from edge.telemetry.questions.sides import SidesAnswer

_TOLD = (
    "Devices are on a side by the draw, whatever they installed. Differences between sides may be chance: no verdict is"
    " made of them here. What each figure is, exactly: {url}."
)


def get_sides(client: ControlClient, path: str) -> Any:
    """The answer of the route of figures beside `path`; None, with a note, while there are none."""
    try:
        return client.get(f"{path}/figures")
    except EdgeError as error:
        note(f"what came of it cannot be shown now: {error.message}")
        return None


def show_sides(client: ControlClient, found: Any) -> None:
    """Nothing for None."""
    if found is None:
        return
    answer = msgspec.convert(found, SidesAnswer)
    about = f"in the {seconds(answer.until - answer.since)} since it began"
    blocks: list[Block] = [
        Heading("What came of it", about),
        sides_grid(answer.sides),
        Footer(_TOLD.format(url=f"{client.url}{PAGE}")),
    ]
    show_page(blocks)
