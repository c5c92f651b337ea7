"""The records of one device after the other: each is no duplicate, counts, and tells something of its device.

The loop over a device's events is the fold's hot path: a report that only counts costs one step in a dictionary.
"""

from collections.abc import Sequence, Set
from itertools import islice

from edge.domain.comparing.running import feature_of_place
from edge.domain.model import BUILTIN
from edge.domain.statistics.arithmetic import Arithmetic
from edge.domain.statistics.device_record import DeviceRecord
from edge.domain.statistics.generations import Ability
from edge.domain.statistics.meanings import Meaning
from edge.domain.statistics.observation import Step
from edge.domain.statistics.subjects import HEARD
from edge.domain.statistics.tally import DAY_MS, HOUR_MS, MINUTE_MS
from edge.telemetry.folding.batches.app_labels import AppLabels, ToldVersion
from edge.telemetry.folding.batches.custom_ids import CustomIds
from edge.telemetry.folding.batches.folded_lines import ToldEvent
from edge.telemetry.folding.batches.gathering import Checked, DeviceWork, ToldThere, UsedThere, noted_words
from edge.telemetry.folding.batches.placing import DeviceItem, Placed, placed
from edge.telemetry.folding.batches.telling import Telling, use_of
from edge.telemetry.folding.batches.told_cohort import ToldTraits
from edge.telemetry.folding.figures_store import correct_first_labels
from edge.telemetry.folding.label_numbers import LabelNumbers
from edge.telemetry.folding.seen_reports import BITS, ODD, WINDOW_MS, SeenReports, report_key
from edge.telemetry.spool.worker_records import HANDED_OVER_MS
from edge.telemetry.votes.vote_counting import AppVotes
from edge.wire.actions import EXPERIMENT_OFFER, OF_NODE
from edge.wire.fields import CUSTOM_ID_LIMIT
from edge.wire.stats import bounded_text

_RUNS = int(Meaning.RUNS)
_RESET = int(Meaning.RESET)
_DOWNLOADS = int(Meaning.DOWNLOADS)
_OLD = int(Meaning.SET | Meaning.RESET)
_OF_OFFER = int(Meaning.OF_OFFER)
_CRASHES, _ERRORS, _STRICT = int(Ability.CRASHES), int(Ability.ERRORS), int(Ability.STRICT)
_TELLS = ~int(Meaning.RUNS | Meaning.PROOF)
_INSTALLED, _INSTALLED_OR_HEALTHY = int(Step.INSTALLED), int(Step.INSTALLED | Step.HEALTHY)


class DeviceCounting:
    """Of one app in one batch. `repeated` are notes of arms that are not the first, by identity; `votes` is None where
    no release is under guard."""

    def __init__(
        self,
        labels: AppLabels,
        numbers: LabelNumbers,
        telling: Telling,
        arithmetic: Arithmetic,
        seen: SeenReports,
        customs: CustomIds,
        repeated: Set[int],
        votes: AppVotes | None = None,
    ) -> None:
        self.duplicates = 0
        self._labels, self._numbers = labels, numbers
        self._telling, self._arithmetic = telling, arithmetic
        self._seen, self._customs, self._repeated = seen, customs, repeated
        self._votes = votes

    def count(self, work: DeviceWork, state: DeviceRecord) -> None:
        """All that the batch has of a device, in order; for labels see `placed`."""
        if state.cohort:
            self._be_of(state, state.cohort, 0)
        part, done = 0, 0
        items: Sequence[DeviceItem] = list(placed(work.items, state.cohort)) if work.checks else work.items
        while done < len(items):
            item = items[done]
            done += 1
            if isinstance(item, Checked):
                self._be_of(state, item.cohort, item.ability)
                correct_first_labels(state, item.at_ms, self._numbers, self._telling.retentions)
                self._telling.enter(state, item.at_ms, item.told, item.runs)
                if item.offered and self._votes is not None:  # which have room of their own
                    self._votes.offer(state, item.at_ms, item.cohort, item.told, item.offered, item.node)
                if not state.followed:
                    self._hear_alone(state, item.at_ms, item.runs)
                    continue
                self._arithmetic.hear(state, item.at_ms, item.runs, item.at_ms - HANDED_OVER_MS)
                use_of(state, item.at_ms // DAY_MS)
                if item.offered:
                    self._arithmetic.offer(state, item.at_ms, item.offered)
                continue
            if isinstance(item, Placed):
                self._be_of(state, item.cohort, item.ability)
                self._telling.enter(state, item.at_ms, item.told, 0)
                if item.offered and item.at_ms >= state.offer_ms:
                    state.offered, state.offer_ms = item.offered, item.at_ms
                continue
            part = part or self._seen.device_part(self._labels.app, work.id)
            if isinstance(item, ToldThere):
                if item.events[0].action in OF_NODE:  # a check of this device is handed over after it
                    self._count_own(item, state)
                else:
                    done = self._count_told(items, done - 1, state, part)
            else:
                self._count_used(item, state, part)

    def _be_of(self, state: DeviceRecord, cohort: int, ability: int) -> None:
        """With `ability` 0, its reports can tell what they could before."""
        labels = self._numbers.labels_of(cohort)
        state.cohort, state.group = cohort, labels.group
        state.ability = ability or state.ability or labels.ability
        state.capable = bool(state.ability & _CRASHES)

    def _count_told(self, items: Sequence[DeviceItem], start: int, state: DeviceRecord, part: int) -> int:
        """Reports of the device itself, from `start` until something else comes; returns where that is."""
        labels, app, hear = self._labels, state.app, self._arithmetic.hear
        tally, observed = self._telling.tally.counts, self._telling.observations is not None
        times, new = self._seen.times, self._seen.new_of(labels.app)
        trials = self._telling.trials if self._telling.trials.apps else None
        traits: ToldTraits | None = None
        told: ToldVersion | None = None
        version = native = None
        minute = day = heard = heard_minute = -1  # heard: that it runs this bundle was told for the minute
        done = start
        for item in islice(items, start, None):
            if not isinstance(item, ToldThere) or item.events[0].action in OF_NODE:
                break
            done += 1
            at_ms, events = item.at_ms, item.events
            if trials is not None:
                trials.hear(state, at_ms, item.net)
            first = events[0]
            if at_ms // MINUTE_MS != minute:
                minute, day, told = at_ms // MINUTE_MS, at_ms // DAY_MS, None
            if traits != (traits := _traits_of(first, item.region)) or told is None:
                self._learn(state, traits, day)
                told, heard_minute = None, -1
            if first.custom_id and state.followed:
                self._state_custom_id(state, first.custom_id, at_ms)
            again = runs = 0
            for event in events:
                if told is None or event.version != version or event.native != native:
                    version, native = event.version, event.native
                    told = labels.told(version, native, day)
                    bundle = told.bundle
                    counts = tally[minute][app, state.group, bundle]
                words, number, cause, meaning, subject = told[event.action]
                happened = event.device_time_ms
                if happened is not None:  # as `SeenReports.note` does
                    key = (part + words + happened * ODD) & BITS
                    before = times.get(key)
                    if before is not None and -WINDOW_MS <= at_ms - before <= WINDOW_MS:
                        again += 1
                        continue
                    times[key] = new[key] = at_ms
                counts[number] += 1
                steps = 0
                if meaning == _DOWNLOADS:
                    step = state.step(bundle)
                    if step is not None:
                        step.begin_download(at_ms, happened or 0)
                elif meaning and state.followed:
                    left = state.bundle
                    if meaning & _RUNS and bundle != runs:
                        if not runs and event is not first and bundle != state.bundle:
                            hear(state, at_ms, 0)  # what comes before it said nothing: that is of what ran so far
                        runs = bundle
                        if heard == bundle and heard_minute == minute and at_ms >= state.last_ms:
                            state.last_ms = state.bundle_ms = at_ms
                        else:
                            hear(state, at_ms, bundle)
                            heard, heard_minute = state.bundle, minute
                    if meaning & _TELLS or _may_prove(state, bundle):
                        steps = self._report(state, event, meaning, cause, happened or 0, bundle, left, item)
                    if meaning & _RESET:
                        if not runs and event is not first:
                            hear(state, at_ms, 0)
                        heard = runs = labels.bundle(BUILTIN, day)
                        hear(state, at_ms, runs)
                        heard_minute = -1
                elif meaning:
                    runs = bundle if meaning & _RUNS else runs
                    if state.key:
                        self._vote(state, event, meaning, cause, bundle, item)
                state.told_ms, state.told_at = at_ms, happened or 0
                if observed:
                    self._telling.observe(state, at_ms, bundle, subject, 1, None, steps, state.cohort)
            if not runs and state.followed:
                if heard_minute == minute and at_ms >= state.last_ms:
                    state.last_ms = at_ms
                else:
                    hear(state, at_ms, 0)
                    heard, heard_minute = -1, minute
            elif not state.followed and state.key:
                self._hear_alone(state, at_ms, runs)
            item.fates["event/counted"] += len(events) - again
            if again:
                item.fates["event/duplicate"] += again
                self.duplicates += again
        return done

    def _count_own(self, item: ToldThere, state: DeviceRecord) -> None:
        """An event of the node about the device; it has a line of its own."""
        (event,) = item.events
        if event.action == EXPERIMENT_OFFER and self._telling.trials.apps:
            self._expose(event, item, state)
        if event.action == EXPERIMENT_OFFER and id(event) in self._repeated:
            item.fates["event/duplicate"] += 1
            self.duplicates += 1
            return
        cohort = state.cohort or self._labels.told_cohort(_traits_of(event, item.region))[0]
        bundle = self._labels.bundle(event.version, item.at_ms // DAY_MS)
        subject = self._labels.action(event.action).subject
        self._telling.tell(state, item.at_ms, bundle, subject, cohort=cohort)
        item.fates["event/counted"] += 1

    def _expose(self, event: ToldEvent, item: ToldThere, state: DeviceRecord) -> None:
        """An arm of a channel's experiment is known from checks; one of a feature from this note alone."""
        noted = noted_words(event)
        is_device = event.is_prod is not False and not event.is_emulator
        if is_device and feature_of_place(noted.get("channel", "")) is not None:
            self._telling.trials.expose(state, item.at_ms, noted.get("id", ""), noted.get("arm", ""))

    def _report(
        self, state: DeviceRecord, event: ToldEvent, meaning: int, cause: int, at: int, bundle: int, left: int,
        item: ToldThere,
    ) -> int:  # fmt: skip
        ms = item.at_ms
        old = event.old_version if meaning & _OLD else None
        if old:
            left = self._labels.bundle(old, ms // DAY_MS)
        lax = self._vote(state, event, meaning, cause, bundle, item)
        if self._telling.trials.apps:
            self._telling.trials.report(state, meaning, ms, bundle, lax=lax)
        return self._arithmetic.report(state, meaning, cause, ms, at, bundle, left, lax=lax)

    def _vote(
        self, state: DeviceRecord, event: ToldEvent, meaning: int, cause: int, bundle: int, item: ToldThere
    ) -> bool:
        """Returns whether its release of the plugin reports failed downloads also without an offer."""
        lax = bool(meaning & _OF_OFFER) and not state.ability & _STRICT
        if self._votes is not None:
            at_ms, net, node = item.at_ms, item.net, item.node
            self._votes.report(state, event.device, meaning, cause, at_ms, bundle, net, node, lax=lax)
        return lax

    def _hear_alone(self, state: DeviceRecord, at_ms: int, bundle: int) -> None:
        """A device of which nothing is kept is one of the distinct ones, and no more."""
        place = (at_ms // HOUR_MS, state.group, bundle)
        if place != state.heard_in:
            state.heard_in = place
            self._telling.tell(state, at_ms, bundle, HEARD, 0)

    def _learn(self, state: DeviceRecord, traits: ToldTraits, day: int) -> None:
        """What an event says of its device. A check says it better, unless its labels were refused: then what the
        device can tell is known from its reports alone."""
        known = self._numbers.labels_of(state.cohort) if state.cohort else None
        if known is None or known.is_told:
            self._be_of(state, *self._labels.told_cohort(traits))
        elif not state.ability:
            self._be_of(state, state.cohort, self._labels.told_cohort(traits)[1])
        if state.followed:
            use = use_of(state, day)
            use.reports_errors = use.reports_errors or bool(state.ability & _ERRORS)

    def _state_custom_id(self, state: DeviceRecord, custom_id: str, at_ms: int) -> None:
        text = bounded_text(custom_id, CUSTOM_ID_LIMIT)
        if text:
            state.custom = self._customs.state(state.app, text, state.key, at_ms, state.custom)

    def _count_used(self, item: UsedThere, state: DeviceRecord, part: int) -> None:
        at_ms, used, fates, net, region = item
        self._telling.hear(state, at_ms, net)
        if not state.cohort:
            self._be_of(state, *self._labels.told_cohort((used.platform, "", "", True, False, region)))
        if used.custom_id and state.followed:
            self._state_custom_id(state, used.custom_id, at_ms)
        if state.followed:
            self._arithmetic.hear(state, at_ms, 0)
        else:
            self._hear_alone(state, at_ms, 0)
        use = use_of(state, at_ms // DAY_MS)
        use.features = use.features or set()
        again = 0
        for each in used.of:
            if self._seen.note(report_key(part, f"{each.kind}\0own", each.name, each.at_ms), at_ms, self._labels.app):
                again += 1
                continue
            subject = self._labels.event_subject(each.kind, each.name)
            self._telling.tell(state, at_ms, state.bundle, subject, 1, each.value)
            if each.kind == "feature":
                use.features.add(each.name)
            elif each.kind == "error":
                use.errors += 1
        fates["used/counted"] += len(used.of) - again
        if again:
            fates["used/duplicate"] += again
            self.duplicates += again


def _may_prove(state: DeviceRecord, bundle: int) -> bool:
    """Whether an event that is nothing but a proof would change what is known of the bundle."""
    step = state.step(bundle)
    return step is not None and step.bits & _INSTALLED_OR_HEALTHY == _INSTALLED


def _traits_of(event: ToldEvent, region: str) -> ToldTraits:
    return event.platform, event.plugin, event.os, event.is_prod, event.is_emulator, region
