"""News of how devices are used: another table that takes it shows the same, wherever the reader was."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.domain.facts import Behaviour
from edge.facts.sharing import evidence_log
from edge.telemetry.behaviour import news as news_module
from edge.telemetry.behaviour.judgements import encode_judgement
from edge.telemetry.behaviour.news import BehaviourNews, BehaviourPages
from edge.telemetry.behaviour.rows import Judgement
from edge.telemetry.behaviour.table import BehaviourTable
from edge.telemetry.behaviour.table_writer import BehaviourTableWriter

APP = "com.example.app"


def judged(device, sessions, day=20_000):
    return Judgement(device, encode_judgement(Behaviour(0, sessions, judged_day=day), 0), day)


class Pair:
    """A table and one that follows it."""

    def __init__(self, folder):
        self.folder = folder
        self.table = BehaviourTableWriter(folder / "behaviour.table")
        self.table.make([], {}, 1)
        self.news = BehaviourNews(folder / "news")
        self.pages = BehaviourPages(folder / "behaviour.table", folder / "news")
        self.place, self.reads = "", 0
        self.copy = BehaviourTableWriter(folder / "copy.table")
        self.shown = BehaviourTable(folder / "copy.table")

    def show(self, *judgements, tells=True):
        self.table.show_all(judgements)
        if tells:
            self.news.tell(judgements)

    def step(self):
        found = self.pages.read(self.place)
        if found.begins:
            self.whole = BehaviourTableWriter(self.folder / "whole.table")
            self.whole.make([], {}, 1)
        (self.whole if found.of_table else self.copy).take(found.slots)
        if found.ends:
            self.copy.replace_by(self.whole)
        is_news = found.place != self.place or found.more or bool(found.slots)
        self.place, self.reads = found.place, self.reads + 1
        return is_news

    def follow(self):
        while self.step():
            pass

    def sessions(self, device):
        return self.shown.of_device(APP, device).sessions_7d


@pytest.fixture
def pair(tmp_path):
    return Pair(tmp_path)


def test_a_new_follower_gets_the_table_and_then_what_changes(pair):
    pair.show(*(judged(device, device) for device in range(1, 300)), tells=False)
    pair.follow()
    assert [pair.sessions(device) for device in (1, 299, 300)] == [1, 299, None]
    pair.show(judged(7, 99), Judgement(8, None, 0))
    pair.follow()
    assert [pair.sessions(device) for device in (7, 8, 9)] == [99, None, 9]


def test_nothing_new_is_no_news(pair):
    pair.follow()
    place = pair.place
    assert not pair.step()
    assert pair.place == place


def test_who_is_behind_the_beginning_gets_the_table_again(pair, monkeypatch):
    monkeypatch.setattr(evidence_log, "FILE_LIMIT_BYTES", 100)
    monkeypatch.setattr(news_module, "NEWS_BYTES", 800)
    pair.follow()
    for turn in range(24):
        pair.show(judged(turn + 1, turn))
    pair.follow()
    assert [pair.sessions(turn + 1) for turn in range(24)] == list(range(24))


def test_when_the_bits_of_names_changed_everything_is_told_again(pair):
    pair.show(judged(1, 5))
    pair.follow()
    pair.table.show_all([judged(1, 6)])
    pair.news.tell_all_again()
    pair.follow()
    assert pair.sessions(1) == 6


@pytest.mark.parametrize("place", ["x", "news", "news a b", "table a 1 2", "table a 1 2 x", "news " + "9" * 300, "\0"])
def test_a_place_that_means_nothing_is_the_beginning(pair, place):
    pair.show(judged(1, 5))
    pair.place = place
    pair.follow()
    assert pair.sessions(1) == 5


def test_a_table_that_is_made_again_meanwhile_begins_again(pair):
    pair.show(*(judged(device, device) for device in range(1, 20_000)), tells=False)
    pair.step()
    pair.table.make([judged(device, 3) for device in range(1, 20_000)], {}, 20_000)
    pair.follow()
    assert {pair.sessions(device) for device in range(1, 20_000, 97)} == {3}


def test_a_restarted_follower_goes_on_with_its_table(pair):
    pair.show(judged(1, 5))
    pair.follow()
    pair.copy.close()
    again = BehaviourTableWriter(pair.folder / "copy.table")
    assert again.resume()
    pair.copy = again
    pair.show(judged(2, 6))
    pair.follow()
    assert (pair.sessions(1), pair.sessions(2)) == (5, 6)


def test_damaged_slots_are_left_out_and_a_damaged_table_is_not_gone_on_with(pair):
    pair.show(judged(1, 5))
    found = pair.pages.read("")
    pair.copy.take(b"\xff" * 44 + found.slots + b"cut")
    assert pair.sessions(1) == 5
    (pair.folder / "other.table").write_bytes(b"no table")
    assert not BehaviourTableWriter(pair.folder / "other.table").resume()
    assert not BehaviourTableWriter(pair.folder / "none.table").resume()


STEPS = st.lists(st.tuples(st.integers(1, 5), st.none() | st.integers(0, 9), st.booleans()), max_size=20)


@settings(max_examples=30)
@given(steps=STEPS)
def test_whenever_it_reads_the_copy_ends_as_the_table(tmp_path_factory, steps):
    pair = Pair(tmp_path_factory.mktemp("pair"))
    for device, sessions, reads in steps:
        pair.show(Judgement(device, None, 0) if sessions is None else judged(device, sessions))
        if reads:
            pair.step()
    pair.follow()
    truth = BehaviourTable(pair.folder / "behaviour.table")
    assert [pair.sessions(device) for device in range(1, 6)] == [
        truth.of_device(APP, device).sessions_7d for device in range(1, 6)
    ]
