"""The budget of false alarms: one for each watch, shared by its tests, and within each by the count and its epochs.

A test's odds are one half of those of the whole count, and one half of those of its epochs, of which number j has the
weight 1/(j(j+1)). This mixture is again an e-process, so one line stands for all: it alarms whenever the whole count
reaches half of the test's alpha, or epoch j reaches alpha/2 * 1/(j(j+1)); and together they may reach it earlier.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

from edge.domain.guarding.odds.threshold import log_sum

WATCH_ALPHA = 0.01  # the probability of any false alarm in a watch, at most
TESTS_LIMIT = 10  # of a watch: each more costs the others 2 to 3 failures until an alarm
TEST_ALPHA = WATCH_ALPHA / TESTS_LIMIT
ALARM_LOG_ODDS = -math.log(TEST_ALPHA)  # 1,000 to 1

_HALF = math.log(0.5)


class EpochOdds(NamedTuple):
    """The log odds of epoch `number`, from 1."""

    number: int
    log_odds: float


def log_weight(number: int) -> float:
    """Of epoch `number`, within the half of the epochs; all of them add up to 1."""
    return -math.log(number * (number + 1))


def mixed_log_odds(whole: float, epochs: Sequence[EpochOdds], latest: int) -> float:
    """Of the whole count and its open epochs together; `latest` is the number of the present epoch, 0 if there is none.
    Epochs to come have odds of 1, and those that are closed count as 0: both are at most what they may be."""
    terms = [whole, -math.log(latest + 1)]
    terms += [log_weight(each.number) + each.log_odds for each in epochs]
    return log_sum(terms) + _HALF
