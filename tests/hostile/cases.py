"""A hostile request, what its sender has to know about it, and the table of the ways to make one.

`framed` requests have a head that any parser takes and end where it says, so others may follow on the connection; the
rest get a connection of their own.
"""

import random
from collections.abc import Callable
from typing import NamedTuple

from tests.hostile.seeds import Seed, frame


class Case(NamedTuple):
    index: int
    kind: str  # the mutation's name
    route: str
    marker: bytes
    pieces: tuple[bytes, ...]  # sent one after the other; more than one for a slow sender
    statuses: frozenset[int]
    head: bool = False  # a HEAD request: its answer has no body
    framed: bool = True
    may_close: bool = False  # without an answer
    may_wait: bool = False  # it is not complete: a node may wait for the rest


HUGE_BODY_BYTES = 10 * 1024 * 1024


Mutation = Callable[[random.Random, Seed, Case], Case]
MUTATIONS: list[tuple[str, Mutation, str, float]] = []


def mutation(name: str, part: str, weight: float = 1.0) -> Callable[[Mutation], Mutation]:
    def add(function: Mutation) -> Mutation:
        MUTATIONS.append((name, function, part, weight))
        return function

    return add


def sent(case: Case, seed: Seed, **changes: object) -> Case:
    return case._replace(pieces=(seed.encode(),), **changes)  # type: ignore[arg-type]


def with_body(seed: Seed, body: bytes) -> Seed:
    seed.body = body
    seed.headers = [(name, value) for name, value in seed.headers if name != b"Content-Length"] + [frame(body)]
    return seed
