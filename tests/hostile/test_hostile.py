"""A few thousand hostile requests in every run of the tests; the million is `python -m tests.hostile`."""

import asyncio

import pytest
import uvloop

from tests.hostile.cases import MUTATIONS, Case
from tests.hostile.drill import DIGEST, WARM_UP, a_node, run
from tests.hostile.mutations import ALL_KINDS, build_case
from tests.hostile.published import ZIP
from tests.hostile.pure import PARSERS, run_pure
from tests.hostile.reading import Answer, NotHttp, find_faults, take_answer
from tests.hostile.seeds import PLUGINS, build_seed

SEED = 20_240_501
COUNT = WARM_UP + 3_000


@pytest.mark.long
def test_thousands_of_hostile_requests_find_nothing_in_a_node(tmp_path):
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        outcome = runner.run(run(tmp_path, COUNT, SEED))
    assert outcome.faults == []
    assert outcome.findings.sent == COUNT
    routes = {name.split()[0] for name in outcome.findings.statuses}
    assert {
        "/updates",
        "/stats",
        "/bundles",
        "/channel_self",
        "/updates/manifest_size",
        "/events",
        "/features",
    } <= routes


def test_what_is_mutated_is_valid_to_begin_with(tmp_path):
    async def ask(port: int, data: bytes, head: bool) -> Answer | None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        buffer = bytearray()
        writer.write(data)
        while (answer := take_answer(buffer, head=head)) is None:
            buffer += await asyncio.wait_for(reader.read(1 << 16), 60)
        writer.transport.abort()
        return answer

    with a_node(tmp_path) as node:
        for kind in ALL_KINDS:
            for number, plugin in enumerate(PLUGINS):
                seed = build_seed(kind, f"mk{kind * 100 + number:08x}", plugin, DIGEST)
                answer = asyncio.run(ask(node.port, seed.encode(), seed.method == b"HEAD"))
                expected = {404} if seed.route == "unknown" else {200, 204, 206}
                assert answer.status in expected, (seed.encode(), answer)


def test_thousands_of_hostile_bodies_find_nothing_in_the_parsers():
    faults, _, outcomes, _ = run_pure(3_000, SEED)
    assert faults == []
    routes = {name.split()[0] for name in outcomes}
    assert routes == set(PARSERS)


def test_a_case_is_the_same_bytes_whenever_it_is_made():
    for index in range(300):
        again = [build_case(SEED, index, ALL_KINDS, DIGEST) for _ in range(2)]
        assert again[0] == again[1]


def test_every_mutation_is_used():
    used = {build_case(SEED, index, ALL_KINDS, DIGEST).kind for index in range(COUNT)}
    assert {name for name, _, _, weight in MUTATIONS if weight >= 0.1} <= used


MARKER = b"mk00000001"
CASE = Case(1, "", "/bundles", MARKER, (b"",), frozenset({200, 206, 400}))
JSON = {b"content-type": b"application/json"}

FAULTY = {
    "a status that is not the route's": Answer(404, JSON, b'{"error":"x"}'),
    "a server's error": Answer(500, JSON, b'{"error":"x"}'),
    "another's words": Answer(200, JSON, b'{"version":"mk00000002"}'),
    "another's words in a header": Answer(200, JSON | {b"location": b"/mk00000002"}, b"{}"),
    "a stack trace": Answer(400, JSON, b'{"error":"Traceback (most recent call last)"}'),
    "text": Answer(400, {b"content-type": b"text/plain"}, b"Bad Request"),
    "broken JSON": Answer(200, JSON, b'{"version":'),
    "an error without a code": Answer(400, JSON, b"{}"),
    "a list that is no list of channels": Answer(200, JSON, b"[1]"),
    "a part of the file without its place": Answer(206, {}, ZIP[:10]),
    "another part of the file": Answer(206, {b"content-range": b"bytes 1-10/5000"}, ZIP[:10]),
    "a piece of the file as the whole": Answer(200, {}, ZIP[:10]),
}


@pytest.mark.parametrize("answer", FAULTY.values(), ids=FAULTY)
def test_the_judge_sees_what_is_wrong(answer):
    assert find_faults(CASE, answer, ZIP)


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200, JSON, b'{"version":"mk00000001"}'),
        Answer(200, {}, ZIP),
        Answer(206, {b"content-range": b"bytes 0-9/5000"}, ZIP[:10]),
        Answer(400, JSON, b'{"error":"bad_request"}'),
        Answer(200, {}, b""),
    ],
)
def test_the_judge_lets_pass_what_is_right(answer):
    assert find_faults(CASE, answer, ZIP) == []


@pytest.mark.parametrize(
    "received",
    [
        b"nonsense",
        b"HTTP/0.9 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: b\r\nA: b\r\n\r\n",
    ],
)
def test_what_is_no_answer_is_not_taken_for_one(received):
    with pytest.raises(NotHttp):
        take_answer(bytearray(received), head=False)
