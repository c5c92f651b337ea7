"""Whatever `explain` ends in, it says what to do next, in commands that there are."""

import re

import click
import pytest
from factories import a_bundle

from edge.cli.main import cli
from edge.domain.decision.advice import advice_of
from edge.domain.decision.outcomes import Blocked, HoldReason, Offer, Reason, RevertToBuiltin, UpToDate
from edge.domain.model import ChannelName

CHANNEL = ChannelName("beta")
OUTCOMES = [
    Offer(a_bundle("1.0.1"), CHANNEL),
    RevertToBuiltin(CHANNEL),
    UpToDate(CHANNEL),
    *(UpToDate(CHANNEL, held) for held in HoldReason),
    *(Blocked(reason, "1.0.1") for reason in Reason),
]


@pytest.mark.parametrize("held", [None, HoldReason.WITHHELD])
@pytest.mark.parametrize("outcome", OUTCOMES, ids=lambda outcome: outcome.code)
def test_every_outcome_has_a_next_step_in_real_commands(outcome, held):
    advice = advice_of(outcome, "com.example.app", "beta", held)
    assert advice and "{" not in advice
    for words in (found.split()[1:] for found in re.findall(r"`(edge [^`]+)`", advice)):
        command: click.Command = cli
        while isinstance(command, click.Group):
            found = command.get_command(click.Context(command), words.pop(0))
            assert found is not None, advice
            command = found
        known = {option for each in command.params for option in (*each.opts, *each.secondary_opts)}
        assert {word for word in words if word.startswith("--")} <= known, advice


def test_a_device_on_no_channel_gets_a_place_to_fill_in():
    assert "com.example.app CHANNEL" in advice_of(Blocked(Reason.NO_CHANNEL), "com.example.app")


def test_a_blocked_stand_in_is_not_to_be_let_through_but_the_failure_is_to_be_mended():
    advice = advice_of(Blocked(Reason.MAJOR, "1.0.0"), "com.example.app", "beta", HoldReason.WITHHELD)
    assert advice.startswith("the channel's bundle failed on this device") and Reason.MAJOR.code in advice
    assert "--policy" not in advice and "edge device show com.example.app DEVICE" in advice
