"""Changes to the JSON of a request: its values, its fields, its nesting, its bytes, its size."""

import json
import random

from tests.hostile.cases import Case, mutation, sent, with_body
from tests.hostile.seeds import Seed
from tests.hostile.words import BAD_BYTES, NESTING, RAW_VALUES, TEXTS

HUGE_BODY_BYTES = 10 * 1024 * 1024


def _pairs(seed: Seed) -> list[tuple[str, str]]:
    return [(json.dumps(name), json.dumps(value)) for name, value in seed.fields.items()]


def _joined(seed: Seed, pairs: list[tuple[str, str]], rng: random.Random) -> bytes:
    item = "{" + ",".join(f"{name}:{value}" for name, value in pairs) + "}"
    if seed.within:
        item = f'{{"{seed.within}":{item}}}'
    if not seed.batch:
        return item.encode("utf-8", "surrogatepass")
    items = [json.dumps(seed.fields)] * rng.choice((0, 1, 3, 20)) + [item]
    rng.shuffle(items)
    return ("[" + ",".join(items) + "]").encode("utf-8", "surrogatepass")


@mutation("field values", "body", 6)
def change_values(rng: random.Random, seed: Seed, case: Case) -> Case:
    pairs = _pairs(seed)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        place = rng.randrange(len(pairs))
        value = (
            rng.choice(RAW_VALUES)
            if rng.random() < 0.4
            else json.dumps(rng.choice(TEXTS), ensure_ascii=rng.random() < 0.5)
        )
        pairs[place] = (pairs[place][0], value)
    return sent(case, with_body(seed, _joined(seed, pairs, rng)))


@mutation("fields themselves", "body", 3)
def change_fields(rng: random.Random, seed: Seed, case: Case) -> Case:
    pairs = _pairs(seed)
    match rng.randrange(5):
        case 0:
            for _ in range(rng.randrange(1, 6)):
                pairs.pop(rng.randrange(len(pairs)))
        case 1:  # the same name twice: the last one counts, and it is of another kind
            pairs.insert(rng.randrange(len(pairs) + 1), (rng.choice(pairs)[0], rng.choice(RAW_VALUES)))
        case 2:
            pairs += [(json.dumps(f"x{n}"), rng.choice(RAW_VALUES[:11])) for n in range(rng.choice((1, 100, 2_000)))]
        case 3:
            place = rng.randrange(len(pairs))
            name = pairs[place][0]
            pairs[place] = (
                rng.choice((name.upper(), name[:-1] + ' "', '"\\u0000"', "1", "null", name * 2)),
                pairs[place][1],
            )
        case _:
            rng.shuffle(pairs)
            pairs = pairs[: rng.randrange(len(pairs))]
    return sent(case, with_body(seed, _joined(seed, pairs, rng)))


@mutation("nesting", "body", 1)
def nest(rng: random.Random, seed: Seed, case: Case) -> Case:
    depth = rng.choice(NESTING)
    opened, closed = rng.choice((("[", "]"), ('{"a":', "}")))
    deep = opened * depth + rng.choice(("1", "")) + closed * rng.choice((depth, depth - 1, 0))
    if rng.random() < 0.3:
        return sent(case, with_body(seed, deep.encode()))
    pairs = _pairs(seed)
    place = rng.randrange(len(pairs))
    pairs[place] = (pairs[place][0], deep)
    return sent(case, with_body(seed, _joined(seed, pairs, rng)))


@mutation("body bytes", "body", 3)
def change_bytes(rng: random.Random, seed: Seed, case: Case) -> Case:
    body = bytearray(seed.body)
    for _ in range(rng.choice((1, 1, 2, 8))):
        place = rng.randrange(len(body) + 1)
        match rng.randrange(5):
            case 0:
                body[place:place] = rng.choice(BAD_BYTES)
            case 1:
                del body[place : place + rng.choice((1, 1, 40))]
            case 2:
                body[place:] = b""
            case 3:
                body[place:place] = rng.choice((b"{", b"}", b"[", b"]", b",", b":", b'"', b"\\", b"\n", b" " * 500))
            case _:
                if place < len(body):
                    body[place] ^= 1 << rng.randrange(8)
    return sent(case, with_body(seed, bytes(body)))


@mutation("another body", "body", 1)
def replace_body(rng: random.Random, seed: Seed, case: Case) -> Case:
    bodies = (
        b"",
        b"null",
        b"[]",
        b"{}",
        b"0",
        b'""',
        b"[{}]",
        b"[[]]",
        b"[null]",
        b"{",
        b"\x00" * 100,
        b"a=b&c=d",
        b"\xff\xfe{}",
    )
    more = (rng.randbytes(300), b"[" + seed.body + b"]", seed.body * 2, b"[" + b",".join([seed.body] * 900) + b"]")
    texts = (seed.body.decode().encode("utf-16"), seed.body.decode().encode("utf-32"), b"\xef\xbb\xbf" + seed.body)
    return sent(case, with_body(seed, rng.choice((*bodies, *more, *texts))))


@mutation("a huge body", "body", 0.003)
def make_huge(rng: random.Random, seed: Seed, case: Case) -> Case:
    match rng.randrange(3):
        case 0:
            with_body(seed, b" " * HUGE_BODY_BYTES)
        case 1:
            with_body(seed, b'{"a":"' + b"a" * HUGE_BODY_BYTES + b'"}')
        case _:
            chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
            seed.headers = [*seed.headers[:-1], (b"Transfer-Encoding", b"chunked")]
            seed.body = chunk * (HUGE_BODY_BYTES // 0x10000) + b"0\r\n\r\n"
    return sent(case, seed, framed=False, statuses=frozenset({400, 413}), may_close=True)


@mutation("bodies beyond their limit", "body", 0.1)
def make_large(rng: random.Random, seed: Seed, case: Case) -> Case:
    size = rng.choice((65_535, 65_536, 65_537, 70_000, 1 << 20, (1 << 20) + 1))
    body = seed.body + b" " * (size - len(seed.body))
    return sent(case, with_body(seed, body), framed=False, may_close=True)
