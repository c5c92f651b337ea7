"""The node's list of links: revised once a day, kept over restarts, and begun again where it is damaged."""

import json
import logging

import pytest

from edge.domain.forms.choice import FormTerms
from edge.domain.forms.link_model import USUAL_LINK
from edge.domain.forms.observed import LEAST_SAMPLES, NOTHING_OBSERVED, REVISE_SECONDS, LinkCounts, step_of
from edge.domain.plugin import Prefer
from edge.node.links.journal import FIRST_LINKS, LinkJournal, LinkWatch

FAR = LinkCounts({step_of(200_000): LEAST_SAMPLES}, {step_of(5e6): LEAST_SAMPLES})  # 200 ms, 5 Mbit/s
DAY = REVISE_SECONDS


def a_journal(tmp_path, now: float = 0.0, prefer: Prefer = Prefer.FASTEST) -> LinkJournal:
    return LinkJournal(tmp_path / "links.json", prefer, now)


def test_the_usual_link_counts_until_something_was_observed(tmp_path):
    assert a_journal(tmp_path).terms == FormTerms(Prefer.FASTEST, FIRST_LINKS)
    assert FIRST_LINKS[0].link is USUAL_LINK


def test_a_day_revises_once_and_a_restart_keeps_it(tmp_path):
    journal = a_journal(tmp_path)
    assert not journal.take({1: FAR}, DAY - 1)
    assert journal.take({1: FAR}, DAY)
    assert not journal.take({1: FAR}, DAY + 1)
    assert len(journal.terms.links) == 2
    assert a_journal(tmp_path, 5 * DAY).terms == journal.terms


def test_what_was_counted_before_a_restart_still_counts(tmp_path):
    half = LinkCounts({step_of(200_000): LEAST_SAMPLES // 2}, {step_of(5e6): LEAST_SAMPLES // 2})
    assert not a_journal(tmp_path).take({1: half}, 10.0)
    assert a_journal(tmp_path, 20.0).take({2: half}, DAY)


def test_a_total_is_counted_once(tmp_path):
    few = LinkCounts({step_of(200_000): 1}, {step_of(5e6): 1})
    journal = a_journal(tmp_path)
    for second in range(LEAST_SAMPLES + 1):
        journal.take({1: few}, float(second))
    assert not journal.take({1: few}, DAY)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b'{"format":2,"links":[[0,[0.04,1e6]]],"begun":0,"day":[{},{}]}',
        b'{"format":1,"links":[],"begun":0,"day":[{},{}]}',
        b'{"format":1,"links":[[0,[0,1e6]]],"begun":0,"day":[{},{}]}',
        b'{"format":1,"links":[[0,[0.04,1e6]]],"begun":0,"day":[{"3":-1},{}]}',
        b"\xff\xfe",
    ],
)
def test_a_damaged_journal_is_set_aside(tmp_path, caplog, content):
    (tmp_path / "links.json").write_bytes(content)
    with caplog.at_level(logging.ERROR):
        assert a_journal(tmp_path).terms.links == FIRST_LINKS
    assert "what was observed of links is lost" in caplog.text
    assert (tmp_path / "links.json.damaged").read_bytes() == content


def test_the_node_prefers_what_its_configuration_says(tmp_path):
    assert a_journal(tmp_path, prefer=Prefer.ZIP).terms.prefer is Prefer.ZIP


def test_another_process_of_the_node_may_have_written(tmp_path):
    one, other = a_journal(tmp_path), a_journal(tmp_path)
    other.take({1: FAR}, DAY)
    assert one.load()
    assert one.terms == other.terms
    assert not one.load()


async def test_workers_hear_of_new_terms_once(tmp_path):
    now, told = [0.0], []
    journal = a_journal(tmp_path)

    async def counted():
        return {1: FAR}

    watch = LinkWatch(journal, counted, told.append, lambda: now[0])
    for now[0] in (1.0, DAY, DAY + 1, 2 * DAY, 3 * DAY):
        await watch.look()
    assert told == [journal.terms]
    assert json.loads((tmp_path / "links.json").read_bytes())["format"] == 1


async def test_what_cannot_be_written_changes_nothing(tmp_path, caplog):
    journal = LinkJournal(tmp_path / "gone" / "links.json", Prefer.FASTEST, 0.0)
    told = []

    async def counted():
        return {1: FAR}

    with caplog.at_level(logging.ERROR):
        await LinkWatch(journal, counted, told.append, lambda: DAY).look()
    assert (told, journal.terms.links) == ([], FIRST_LINKS)
    assert "cannot keep what was observed" in caplog.text
    assert LinkCounts({}, {}) == NOTHING_OBSERVED
