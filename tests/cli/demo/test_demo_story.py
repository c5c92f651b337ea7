"""The story goes on from what the app's state says, and leaves alone what somebody else did. Its whole is in
`edge demo --check`."""

import pytest

from edge.cli.demo.fleet import CALM_SECONDS, Fleet
from edge.cli.demo.release import APP, BAD, CHANNEL, GOOD, RELEASES
from edge.cli.demo.story import Story, StoryTold, Tempo, is_told
from edge.cli.terminal.client import app_path
from edge.domain.errors import EdgeError

AT_ONCE = Tempo(step=1.0, look=1.0, guard=0.0, experiment=0.0)


class RecordedClient:
    """Answers as a node in one state would, and keeps what is asked of it."""

    def __init__(self, **state):
        self.channel = {"bundle": GOOD.version, "rollout": None, "experiment": None, "taken_back": []} | state
        self.reading = {"measures": []}
        self.changes = []
        self.reason = ""

    def get(self, path):
        if path == app_path(APP, "channels", CHANNEL):
            return self.channel
        return self.reading if path.endswith("/reading") else {"entries": [], "started": 0.0}

    def post(self, path, body=None):
        self.changes.append((path.rpartition("/")[2], self.reason))


async def no_time(_seconds):
    return None


def a_story(tmp_path, client):
    said = []
    fleet = Fleet("http://127.0.0.1:1", tmp_path, [])
    return Story(client, fleet, said.append, AT_ONCE, sleep=no_time, clock=iter(range(1_000)).__next__), said, fleet


async def test_a_story_that_was_told_changes_nothing(tmp_path):
    client = RecordedClient(bundle="1.3.0", rollout={"bundle": BAD.version, "phase": "rolled_back"})
    story, said, fleet = a_story(tmp_path, client)
    assert await story.tell() == StoryTold()
    assert (client.changes, said, fleet.between_seconds) == ([], [], CALM_SECONDS)


async def test_a_paused_release_is_rolled_back_with_a_reason(tmp_path):
    client = RecordedClient(rollout={"bundle": BAD.version, "phase": "paused"})
    story, _, _ = a_story(tmp_path, client)
    told = await story.tell()
    assert told.rolled_back == BAD.version
    assert client.changes == [("rollback", "fails on one start in ten")]


async def test_what_somebody_decided_meanwhile_is_left_alone(tmp_path):
    client = RecordedClient(bundle="9.9.9", rollout={"bundle": "9.9.9", "phase": "running"})
    story, _, _ = a_story(tmp_path, client)
    assert await story.tell() == StoryTold()
    assert client.changes == []


async def test_after_the_rollback_an_experiment_begins_and_ends_with_its_sentence(tmp_path):
    taken_back = [{"bundle": BAD.version}]
    client = RecordedClient(rollout={"bundle": BAD.version, "phase": "rolled_back"}, taken_back=taken_back)
    client.reading = {"measures": [{"comparisons": [{"state": "open"}, {"state": "more", "sentence": "It is more."}]}]}
    story, said, _ = a_story(tmp_path, client)
    assert (await story.tell()).shown == "It is more."
    assert [each for each, _ in client.changes] == ["experiment", "stop"]
    assert client.changes[1][1] == "It is more." and "the experiment shows: It is more." in said


@pytest.mark.parametrize("state", [{"bundle": RELEASES[-1].version}, {}])
async def test_a_node_that_refuses_ends_the_story_with_its_reason(tmp_path, state):
    class Refusing(RecordedClient):
        def post(self, path, body=None):
            raise EdgeError("busy", "another writer was faster")

    story, said, fleet = a_story(tmp_path, Refusing(**state))
    assert await story.tell() == StoryTold()
    assert said == ["the story ends here: another writer was faster"]
    assert fleet.between_seconds == CALM_SECONDS


async def test_a_rollout_that_an_earlier_run_began_goes_on_from_its_step(tmp_path):
    class Begun(RecordedClient):
        def get(self, path):
            return {"step": 2, "started": 0.0} if path.endswith("/rollout") else super().get(path)

    client = Begun(bundle=RELEASES[-1].version, rollout={"bundle": GOOD.version, "phase": "running"})
    story, said, _ = a_story(tmp_path, client)
    assert (await story.tell()).spread == GOOD.version
    assert [each for each, _ in client.changes] == ["advance", "promote"]
    assert said[0] == f"{GOOD.version} goes to 100%"


def test_what_is_told_is_what_the_channel_offers():
    assert is_told(RecordedClient(bundle="1.3.0"))
    assert not any(is_told(RecordedClient(bundle=each)) for each in (GOOD.version, RELEASES[-1].version))
