"""A node's reports: what is sent, what is told on, how the pace follows the answers."""

import asyncio

import msgspec
import pytest

from edge.domain.errors import Unavailable
from edge.regions.fleet.node_report import NodeReport, NodeWelcome
from edge.regions.fleet.reporting import JITTER, REPORT_SECONDS, SLOWEST_SECONDS, Reporting


class Home:
    def __init__(self):
        self.sent, self.answer = [], b'{"name":"eu-1","net_key":"k","mood":"good"}'

    async def request(self, method, path, *, body, headers, limit_bytes, seconds):
        self.sent.append((method, path, msgspec.json.decode(body, type=NodeReport)))
        if isinstance(self.answer, Exception):
            raise self.answer
        self.content = self.answer
        return self


async def make():
    return NodeReport(region="eu", changes=3)


@pytest.fixture
def home():
    return Home()


@pytest.mark.parametrize(
    "said", [{"clock": 1e12}, {"region": "eu\n"}, {"role": "region\n"}, {"refused": {"code\n": 1}}, {"load": -1.0}]
)
def test_a_report_that_nobody_could_show_is_refused(said):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(said, NodeReport)


async def test_a_report_is_sent_and_its_answer_told_on(home):
    told, now = [], [0.0]
    reporting = Reporting(home, "e0e0", make, monotonic=lambda: now[0])
    reporting.on_welcome.append(told.append)
    now[0] = 30.0
    await reporting.report()
    assert home.sent == [("POST", "/v1/feed/nodes/e0e0", await make())]
    assert told == [NodeWelcome(name="eu-1", net_key="k")] == [reporting.welcome]
    assert reporting.seen == (1, 0, 0.0)


@pytest.mark.parametrize("answer", [Unavailable("source_lost", "no answer"), b"{", b'{"name":1}', b"\xff"])
async def test_what_is_not_taken_is_counted_and_said_once(home, caplog, answer):
    reporting = Reporting(home, "e0e0", make)
    home.answer = answer
    for _ in range(3):
        await reporting.report()
    assert reporting.seen[:2] == (0, 3) and reporting.problem
    assert caplog.text.count("did not take this node's report") == 1
    home.answer = b"{}"
    await reporting.report()
    assert (reporting.problem, reporting.welcome) == ("", NodeWelcome())


async def test_the_pace_is_jittered_and_slows_down_while_home_is_away(home):
    reporting = Reporting(home, "e0e0", make)
    assert reporting.pause_seconds(0.0) == REPORT_SECONDS * (1 - JITTER)
    assert reporting.pause_seconds(1.0) == REPORT_SECONDS * (1 + JITTER)
    home.answer = Unavailable("source_lost", "no answer")
    for _ in range(9):
        await reporting.report()
    assert reporting.pause_seconds(0.5) == SLOWEST_SECONDS
    home.answer = b"{}"
    await reporting.report()
    assert reporting.pause_seconds(0.5) == REPORT_SECONDS


async def test_a_change_is_reported_without_waiting_for_the_next_turn(home):
    reporting = Reporting(home, "e0e0", make, report_seconds=86_400.0, news_seconds=0.0)
    running = asyncio.create_task(reporting.run())
    while len(home.sent) < 1:
        await asyncio.sleep(0)
    reporting.hurry()
    while len(home.sent) < 2:
        await asyncio.sleep(0.01)
    running.cancel()
