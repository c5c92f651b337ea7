"""The labels of a batch by numbers, with what the arithmetic needs to know of each. In the caller's transaction.

An app has a bounded number of groups and cohorts. What devices can make up without end (releases of the plugin that the
table of releases does not name, systems with odd numbers) has a quarter of the cohorts, and then becomes `other`;
combinations of segments have half of the groups. So channels, sides, arms and known releases keep a place. Ageing
gives places back (`upkeep`); where all are taken nonetheless, a group loses its segments but those that a guard or a
rollout names, then its side and arm, at last its channel. Who counts by side, arm or segment (votes, experiments)
reads the check's own note, where nothing is lost.
"""

import sqlite3
from collections.abc import Callable, Set
from typing import NamedTuple

import msgspec

from edge.domain.statistics.generations import ability_of
from edge.domain.statistics.observation import Cohort, Group
from edge.domain.statistics.subjects import is_sketched, is_spread
from edge.telemetry.behaviour.damaged_rows import note_damaged_row
from edge.telemetry.folding.words import WordKind, Words, encode_cohort, encode_group, parse_cohort, parse_group
from edge.wire.plugins.capabilities import is_listed

GROUPS_LIMIT = 2_000  # of an app: 5 channels, 3 platforms and 100 combinations of segments, sides and arms
OWN_GROUPS_LIMIT = 2 * GROUPS_LIMIT  # with those without a combination of segments: the team alone makes more of them
NAMED_GROUPS_LIMIT = GROUPS_LIMIT + GROUPS_LIMIT // 2  # with combinations of segments that a guard or a rollout names
FEWER_GROUPS_LIMIT = OWN_GROUPS_LIMIT + GROUPS_LIMIT // 2  # with those by platform, channel and kind alone
COHORTS_LIMIT = 20_000  # of an app: some 10 of each group, by release, country and plugin
MADE_UP_COHORTS_LIMIT = COHORTS_LIMIT // 4  # of these, such with a word that is neither known nor bounded
FEWER_COHORTS_LIMIT = COHORTS_LIMIT + COHORTS_LIMIT // 2  # with those by group and known release alone
_LONGEST_SYSTEM = 2  # digits of a major version: there are a hundred of them
OTHER = "other"
REFUSED = "groups_beyond_limit"  # among the totals: kinds of devices without all their labels, each once a batch

SegmentsNamed = Callable[[str], Set[str]]  # by an app's guards and rollouts


def no_segments(app: str) -> Set[str]:
    """A `SegmentsNamed` where no guard and no rollout names any."""
    return frozenset()


class CohortLabels(NamedTuple):
    """What follows from a cohort."""

    group: int
    ability: int  # for a device of which nothing better is known
    cohort: Cohort
    is_told: bool  # by the device alone: a check tells more


class SubjectNumber(NamedTuple):
    """A subject's number, and in which forms it is kept."""

    number: int
    is_sketched: bool
    is_spread: bool


def is_told(cohort: Cohort) -> bool:
    """Whether a device's own words can have made it: a check tells more."""
    group = cohort.group
    return not (group.channel or group.segments or group.side or group.arm or cohort.country)


class LabelNumbers:
    """To be dropped, like its words, if the transaction is rolled back."""

    def __init__(self, connection: sqlite3.Connection, segments_named: SegmentsNamed = no_segments) -> None:
        self.words = Words(connection)
        self._connection, self._segments_named = connection, segments_named
        self._refused: set[tuple[int, Group]] = set()
        self._cohorts: dict[tuple[int, Cohort], int] = {}
        self._labels: dict[int, CohortLabels] = {}
        self._subjects: dict[tuple[int, str], SubjectNumber] = {}
        self._minute_groups: dict[int, int] = {}
        self._counts: dict[tuple[int, WordKind], int] = {}
        self._made_up: dict[int, int] = {}
        self._app_of: dict[int, int] = {}

    def bundle(self, app: int, bundle: str) -> int:
        """Bounded by `labels.LabelBounds`, before."""
        return self.words.number(app, WordKind.BUNDLE, bundle)

    def cause(self, app: int, action: str) -> int:
        return self.words.number(app, WordKind.CAUSE, action)

    def subject(self, app: int, subject: str) -> SubjectNumber:
        found = self._subjects.get((app, subject))
        if found is None:
            number = self.words.number(app, WordKind.SUBJECT, subject)
            found = SubjectNumber(number, is_sketched(subject), is_spread(subject))
            self._subjects[app, subject] = found
        return found

    def cohort(self, app: int, cohort: Cohort) -> int:
        """The number of this cohort, or of a coarser one."""
        found = self._cohorts.get((app, cohort))
        if found is None:
            found = self._cohorts[app, cohort] = self._admit(app, cohort)
            self._app_of[found] = app
        return found

    def labels_of(self, cohort: int) -> CohortLabels:
        found = self._labels.get(cohort)
        if found is None:
            known = self._cohort_of(cohort)
            group = self.words.number(self._app(cohort), WordKind.GROUP, encode_group(known.group))
            found = self._labels[cohort] = CohortLabels(
                group,
                ability_of(known.group.platform, known.os, known.plugin),
                known,
                is_told(known),
            )
        return found

    def minute_group(self, group: int) -> int:
        """The group's channel and kind alone: what is kept by the minute."""
        found = self._minute_groups.get(group)
        if found is None:
            known = self._group_of(group)
            coarse = encode_group(Group(channel=known.channel, kind=known.kind))
            found = self._minute_groups[group] = self.words.number(self._app(group), WordKind.GROUP, coarse)
        return found

    def store(self) -> None:
        """Count the groups that found no room with all their labels."""
        if self._refused:
            query = "INSERT INTO totals VALUES (?, ?) ON CONFLICT DO UPDATE SET n = n + excluded.n"
            self._connection.execute(query, (REFUSED, len(self._refused)))

    def _cohort_of(self, number: int) -> Cohort:
        try:
            return parse_cohort(self.words.word(number))
        except msgspec.DecodeError as error:
            known = Cohort(os=f"damaged-{number}")  # no other cohort's word
            self._rename(number, encode_cohort(known), error)
            return known

    def _group_of(self, number: int) -> Group:
        try:
            return parse_group(self.words.word(number))
        except msgspec.DecodeError as error:
            known = Group(segments=(f"damaged-{number}",))
            self._rename(number, encode_group(known), error)
            return known

    def _rename(self, number: int, word: str, error: Exception) -> None:
        note_damaged_row(self._connection, f"the labels of devices (words, {number})", error)
        self._connection.execute("UPDATE words SET word = ? WHERE id = ?", (word, number))

    def _app(self, number: int) -> int:
        if number not in self._app_of:
            self._app_of[number] = self.words.app_of(number)
        return self._app_of[number]

    def _admit(self, app: int, cohort: Cohort) -> int:
        group = self._admit_group(app, cohort.group)
        cohort = cohort._replace(group=group)
        known = _without_made_up(cohort)
        plain = cohort if self._has_room_for_made_up(app, cohort) else known
        fewer = Cohort(group, OTHER, OTHER, known.plugin, known.region)
        for one, limit in ((plain, COHORTS_LIMIT), (fewer, FEWER_COHORTS_LIMIT)):
            if self._has_room(app, WordKind.COHORT, encode_cohort(one), limit):
                break
        else:
            one = Cohort(group, OTHER, OTHER, OTHER, OTHER if known.region else "")
        self._note(app, WordKind.GROUP, encode_group(group))
        return self._note(app, WordKind.COHORT, encode_cohort(one))

    def _admit_group(self, app: int, group: Group) -> Group:
        plain = group._replace(segments=(OTHER,)) if group.segments else group
        if self._has_room(app, WordKind.GROUP, encode_group(group), GROUPS_LIMIT if group.segments else 0):
            return group
        named = self._segments_named(self.words.word(app)) if group.segments else frozenset()
        kept = tuple(each for each in group.segments if each in named)
        for one, limit in (
            (group._replace(segments=(*kept, OTHER)) if kept else plain, NAMED_GROUPS_LIMIT if kept else 0),
            (plain, OWN_GROUPS_LIMIT),
            (Group(group.platform, group.channel, kind=group.kind), FEWER_GROUPS_LIMIT),
        ):
            if self._has_room(app, WordKind.GROUP, encode_group(one), limit):
                break
        else:
            one = Group(group.platform, OTHER, kind=group.kind)
        if one != group:
            self._refused.add((app, group))
        return one

    def _has_room_for_made_up(self, app: int, cohort: Cohort) -> bool:
        if _without_made_up(cohort) == cohort:
            return True
        word = encode_cohort(cohort)
        if self.words.known(app, WordKind.COHORT, word) is not None:
            return True
        if app not in self._made_up:
            known = map(parse_cohort, self.words.beginning(app, WordKind.COHORT, ""))
            self._made_up[app] = sum(1 for each in known if _without_made_up(each) != each)
        if self._made_up[app] >= MADE_UP_COHORTS_LIMIT or not self._has_room(app, WordKind.COHORT, word, COHORTS_LIMIT):
            return False
        self._made_up[app] += 1
        return True

    def _has_room(self, app: int, kind: WordKind, word: str, limit: int) -> bool:
        if (app, kind) not in self._counts:
            self._counts[app, kind] = self.words.count(app, kind)
        return self._counts[app, kind] < limit or self.words.known(app, kind, word) is not None

    def _note(self, app: int, kind: WordKind, word: str) -> int:
        """A coarse one may be beyond the limit: there are few."""
        if self.words.known(app, kind, word) is None:
            self._counts[app, kind] = self._counts.get((app, kind), 0) + 1
        return self.words.number(app, kind, word)


def _without_made_up(cohort: Cohort) -> Cohort:
    """With `other` for what a device may have made up."""
    plugin = cohort.plugin if not cohort.plugin or is_listed(cohort.plugin) else OTHER
    os = cohort.os if len(cohort.os) <= _LONGEST_SYSTEM else OTHER
    return cohort._replace(os=os, plugin=plugin)
