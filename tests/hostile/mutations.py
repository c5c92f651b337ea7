"""Case `index` of a run: a valid request and one change to it, chosen by a generator seeded with the two numbers."""

import random

from tests.hostile import bodies, framing, heads
from tests.hostile.cases import MUTATIONS, Case, Mutation
from tests.hostile.seeds import KINDS, PLUGINS, Seed, build_seed

ALL_KINDS = tuple(range(KINDS))
__all__ = ["ALL_KINDS", "Case", "bodies", "build_case", "framing", "heads"]  # three of them fill the table


def build_case(seed: int, index: int, kinds: tuple[int, ...], digest: str) -> Case:
    """Case `index` of the run `seed`: always the same bytes."""
    rng = random.Random(seed * 1_000_000_007 + index)
    marker = f"mk{index:08x}"
    start = build_seed(rng.choice(kinds), marker, rng.choice(PLUGINS), digest)
    name, mutate = _choose(rng, start)
    case = mutate(rng, start, Case(index, name, start.route, marker.encode(), (), start.statuses))
    return case._replace(head=b"".join(case.pieces).lstrip().startswith(b"HEAD "))


def _choose(rng: random.Random, seed: Seed) -> tuple[str, Mutation]:
    bodies = [m for m in MUTATIONS if m[2] == "body"] if seed.fields and seed.body else []
    # Bodies are where devices' words are; heads come second; broken framing needs a connection each, so it is rarer.
    draw = rng.random()
    if bodies and draw < 0.65:
        chosen = rng.choices(bodies, [m[3] for m in bodies])[0]
    else:
        others = [m for m in MUTATIONS if m[2] != "body" and (m[2] != "file" or seed.route == "/bundles")]
        chosen = rng.choices(others, [m[3] for m in others])[0]
    return chosen[0], chosen[1]
