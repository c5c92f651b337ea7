"""Changes to where a request begins and ends, to its syntax, and to how it is sent: a connection of its own each."""

import random

from tests.hostile.cases import Case, mutation, sent
from tests.hostile.seeds import ELSEWHERE, Seed, frame
from tests.hostile.words import (
    CHUNK_ENDS,
    CHUNK_SIZES,
    CODINGS,
    HOSTS,
    LENGTHS,
    LINES,
    NEARLY_LENGTH,
    NOT_HTTP,
    VERSIONS,
)


def _alone(case: Case, seed: Seed) -> Case:
    return sent(case, seed, statuses=ELSEWHERE, framed=False, may_close=True, may_wait=True)


@mutation("body framing", "framing", 1.2)
def change_framing(rng: random.Random, seed: Seed, case: Case) -> Case:
    length = frame(seed.body)
    others = [header for header in seed.headers if header != length]
    match rng.randrange(6):
        case 0:
            seed.headers.append((b"Content-Length", rng.choice((length[1], b"0", b"1", b"99999"))))
        case 1:
            seed.headers.append((b"Transfer-Encoding", rng.choice(CODINGS)))
        case 2:
            seed.headers = [*others, (b"Content-Length", rng.choice(LENGTHS).replace(b"N", length[1]))]
        case 3:
            seed.headers = [*others, (b"Transfer-Encoding", rng.choice(CODINGS))]
            seed.body = _chunked(rng, seed.body)
        case 4:
            seed.headers.append((rng.choice(NEARLY_LENGTH), b"0"))
        case _:  # a second request hidden in what one side may take for a body
            seed.headers = [(b"Host", b"hostile"), (b"Content-Length", b"4"), (b"Transfer-Encoding", b"chunked")]
            seed.body = b"0\r\n\r\nGET /smuggled/" + case.marker + b" HTTP/1.1\r\nHost: x\r\n\r\n"
    return _alone(case, seed)


def _chunked(rng: random.Random, body: bytes) -> bytes:
    size = rng.choice(CHUNK_SIZES).replace(b"N", f"{len(body):x}".encode())
    return size + rng.choice((b"\r\n", b"\n", b"\r")) + body + rng.choice(CHUNK_ENDS)


@mutation("head syntax", "framing", 1.2)
def change_syntax(rng: random.Random, seed: Seed, case: Case) -> Case:
    data = seed.encode()
    line, end, rest = data.partition(b"\r\n")
    match rng.randrange(6):
        case 0:
            data = line + end + rng.choice(LINES).replace(b"MARKER", case.marker) + rest
        case 1:
            data = data.replace(b" HTTP/1.1", rng.choice(VERSIONS))
        case 2:
            data = data.replace(b"Host: hostile\r\n", rng.choice(HOSTS))
        case 3:
            data = rng.choice((data.replace(end, b"\n"), data.replace(end, b"\r"), end * 20 + data, b"\x00" + data))
        case 4:
            data = rng.choice((data + b"X" * 20, data + data, data * 12, line + end + end + rest))
        case _:
            data = rng.choice((*NOT_HTTP, rng.randbytes(200)))
    return _alone(case, seed)._replace(pieces=(data,))


@mutation("cut", "framing", 0.6)
def cut(rng: random.Random, seed: Seed, case: Case) -> Case:
    data = seed.encode()
    return _alone(case, seed)._replace(pieces=(data[: rng.randrange(1, len(data))],))


@mutation("slow", "framing", 0.1)
def be_slow(rng: random.Random, seed: Seed, case: Case) -> Case:
    data = seed.encode()
    places = sorted(rng.sample(range(1, len(data)), min(5, len(data) - 1)))
    pieces = [data[a:b] for a, b in zip((0, *places), (*places, len(data)), strict=True)]
    return _alone(case, seed)._replace(pieces=tuple(pieces), may_wait=False, may_close=False, statuses=seed.statuses)
