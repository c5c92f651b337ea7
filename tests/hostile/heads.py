"""Changes to the head of a request: its fields, address, method, ranges."""

import random

from tests.hostile.cases import Case, mutation, sent
from tests.hostile.seeds import ELSEWHERE, Seed
from tests.hostile.words import (
    HEADER_NAMES,
    HEADER_VALUES,
    METHODS,
    PATH_TRICKS,
    RANGES,
    VALIDATORS,
    WORSE_METHODS,
)


@mutation("header fields", "head", 4)
def change_headers(rng: random.Random, seed: Seed, case: Case) -> Case:
    for _ in range(rng.choice((1, 1, 2, 5, 40))):
        name = rng.choice(HEADER_NAMES).encode()
        value = rng.choice((*HEADER_VALUES, *RANGES, *VALIDATORS, case.marker.decode())).encode("latin-1", "replace")
        seed.headers.insert(rng.randrange(len(seed.headers) + 1), (name, value))
    return sent(case, seed, statuses=ELSEWHERE, framed=False, may_close=True)


@mutation("names of header fields", "head", 1)
def change_names(rng: random.Random, seed: Seed, case: Case) -> Case:
    seed.headers = [(rng.choice((n.upper(), n.lower(), n.swapcase())), v) for n, v in seed.headers]
    return sent(case, seed)


@mutation("addresses", "head", 3)
def change_path(rng: random.Random, seed: Seed, case: Case) -> Case:
    if rng.random() < 0.7:
        seed.path = rng.choice(PATH_TRICKS)
    else:
        place = rng.randrange(len(seed.path) + 1)
        trick = rng.choice(
            (b"%2e%2e", b"//", b"%00", b"\x00", b"%c0%af", b"..", b"%2f", b"\\", b"?", b"#", b";", b"\xff", b"%25")
        )
        seed.path = seed.path[:place] + trick + seed.path[place:]
    return sent(case, seed, statuses=ELSEWHERE, framed=False, may_close=True)


@mutation("methods", "head", 1)
def change_method(rng: random.Random, seed: Seed, case: Case) -> Case:
    worse = rng.random() < 0.4
    seed.method = rng.choice(WORSE_METHODS if worse else METHODS)
    alone = worse or seed.method in (b"CONNECT", b"PRI")
    return sent(case, seed, statuses=ELSEWHERE, framed=False, may_close=alone, may_wait=alone)


@mutation("ranges and validators", "file", 8)
def change_range(rng: random.Random, seed: Seed, case: Case) -> Case:
    seed.headers = seed.headers[:1]
    for name in rng.sample(("Range", "Range", "If-Range", "If-None-Match", "If-Modified-Since"), rng.randrange(1, 4)):
        value = rng.choice(RANGES if name == "Range" else VALIDATORS)
        seed.headers.append((name.encode(), value.encode("utf-8" if "１" in value else "latin-1")))
    return sent(case, seed, statuses=seed.statuses | {400}, framed=False, may_close=True)
