"""The page of definitions, which every figure refers to."""

import asyncio
from functools import cache
from importlib import resources

from edge.control.calls import Call
from edge.control.operations import Operation
from edge.domain.statistics.definitions import PAGE

CONTENT_TYPE = "text/markdown; charset=utf-8"


async def handle_definitions(call: Call[None]) -> bytes:
    return await asyncio.to_thread(_page)


@cache
def _page() -> bytes:
    return resources.files("edge.domain.statistics").joinpath("DEFINITIONS.md").read_bytes()


OPERATIONS = (
    Operation(
        name="show_definitions",
        method="GET",
        path=PAGE,
        summary="Show what each figure is, exactly, and what it cannot know",
        permission=None,
        handle=handle_definitions,
        answer=str,
        content_type=CONTENT_TYPE,
    ),
)
