"""What the guard promises, simulated: `python -m tests.drills.guard_bars [--part N]`.

Rollouts of devices with networks and a clock (`guard_world`), judged by the guard's own code with all its rules of
evidence: false alarms, what a bad release costs, attempts until an alarm, forged reports, the control test, silence.
Seeds are fixed, so each run says the same. Takes some minutes; `--part 10` a tenth of the rounds. Exits 1 if a bar is
missed; bars on shares of a few rounds (`--part`) have room for one round.
"""

import argparse
import sys
import time
from collections.abc import Sequence

import numpy as np

from edge.domain.guarding.cost import cost_of_failure
from tests.drills import guard_rows as rows

NULLS, BAD = 2_000, 300
LIMITS = (0.001, 0.005, 0.02, 0.05)
BAD_ROWS = (  # fleet, share, kind, failing, at most so much of the fleet is offered it in 95 of 100; None: no promise
    (10_000, 0.05, "mixed", 0.10, None),
    (100_000, 0.01, "mixed", 0.10, None),
    (100_000, 0.01, "mixed", 0.50, 0.002),
    (100_000, 0.05, "mixed", 0.05, None),
    (100_000, 0.05, "hard", 0.05, None),
    (100_000, 0.05, "mixed", 0.10, 0.007),
    (100_000, 0.05, "hard", 0.10, 0.012),
    (100_000, 0.05, "mixed", 0.50, 0.002),
    (100_000, 0.05, "hard", 0.50, 0.002),
    (1_000_000, 0.05, "mixed", 0.10, 0.0015),
    (1_000_000, 0.05, "hard", 0.10, 0.003),
)
FORGED = {0: 9, 50: 5, 200: 5, 1_000: 8, 5_000: 10, 20_000: 17, 50_000: 26}  # honest attempts, networks at least


class Bars:
    """Prints each row, and remembers whether a bar was missed."""

    def __init__(self) -> None:
        self.missed = 0

    def row(self, text: str, holds: bool | None = None, bar: str = "") -> None:
        said = "" if holds is None else f"   {'ok' if holds else 'MISSED'}: {bar}"
        print(f"  {text}{said}", flush=True)
        self.missed += holds is False


def spread(values: Sequence[float]) -> tuple[float, float, float]:
    return float(np.median(values)), float(np.percentile(values, 95)), float(max(values))


def alarms_fit(null: rows.Null, share: float) -> bool:
    return null.alarms <= max(share * null.rounds, 1)


def false_alarms(bars: Bars, rounds: int) -> None:
    print(f"False alarms of one test of ten: {rounds:,} rollouts of a day, 5,000 devices, looked at after each report")
    for limit in LIMITS:
        for rate, most in ((limit, 0.01), (limit / 2, 0.001)):
            null = rows.null_rows(limit, rate, rounds)
            text = f"limit {limit:.1%}, true rate {rate:.2%}: {null.alarms} of {null.rounds:,} stopped"
            bars.row(text, alarms_fit(null, most), f"at most {most:.1%}")
    some = max(1, rounds // 10)
    null = rows.ten_tests(0.02, some)
    bars.row(f"ten tests, each at its limit of 2 %: {null.alarms} of {some} stopped", alarms_fit(null, 0.01), "1 %")


def costs(bars: Bars, rounds: int) -> None:
    print(f"Devices offered a bad release by the pause, percent of the fleet; {rounds} releases a row, limit 2 %")
    for fleet, share, kind, failing, most in BAD_ROWS:
        found = rows.bad_rows(fleet, share, kind, failing, rounds)
        middle, late, largest = (100 * each / fleet for each in spread([each.offered for each in found]))
        minutes = spread([(each.at_seconds or 86_400) / 60 for each in found])
        text = f"{fleet:9,} at {share:.0%}, {kind:5}, {failing:3.0%} fail: {middle:.3f} / {late:.3f} / {largest:.3f} %"
        text += f", {minutes[0]:.0f} / {minutes[1]:.0f} min"
        stopped = sum(each.at_seconds is not None for each in found)
        if stopped < rounds:
            text += f", {stopped} of {rounds} stopped within the day"
        if kind == "mixed":
            foreseen = cost_of_failure(fleet, round(share * 100_000), 0.02, failing)
            text += f"; preview says {100 * foreseen.offered / fleet:.3f}, at most "
            text += f"{100 * foreseen.offered_at_most / fleet:.3f} %"
        bars.row(text, None if most is None else late <= 100 * most, f"95 of 100 at most {100 * (most or 0):.2f} %")
    found = rows.bad_rows(100_000, 0.05, "mixed", 0.10, rounds, of_offers=True)
    middle, late, largest = (each / 1_000 for each in spread([each.offered for each in found]))
    bars.row(f"the same counted against offered devices, all known: {middle:.3f} / {late:.3f} / {largest:.3f} %")


def attempts(bars: Bars, rounds: int) -> None:
    print("Attempts until the alarm, failures known at once: median / 95 of 100 / most")
    for failing in (0.05, 0.10, 0.50):
        found = spread(rows.attempts_until(failing, rounds, longest=4_000))
        text = f"{failing:3.0%} fail: {found[0]:.0f} / {found[1]:.0f} / {found[2]:.0f}"
        bars.row(text, found[0] <= 150 if failing == 0.10 else None, "median at most 150")
    for phase, said in ((0.0, "as an epoch begins"), (0.5, "in the middle of one")):
        found = spread(rows.attempts_until(0.10, max(1, rounds // 3), good=20_000, phase=phase, longest=6_000))
        text = f"a change to 10 % after 20,000 good ones, {said}: {found[0]:.0f} / {found[1]:.0f} / {found[2]:.0f}"
        bars.row(text, found[0] <= 1_000, "median at most 1,000")


def forgers(bars: Bars) -> None:
    print("Forged failures that stop a release whose honest attempts fail at 0.3 %, each network with all its places")
    for honest, networks in FORGED.items():
        now, later = rows.forged_row(honest), rows.forged_row(honest, is_new_epoch=True)
        spread_out = rows.forged_row(honest, places=1)
        text = (
            f"after {honest:6,}: {now.failures:5,} of {now.networks:2} networks; in a new epoch {later.failures:3} of"
        )
        text += f" {later.networks:2}; one of each network {spread_out.failures:5,}"
        bars.row(text, now.networks >= networks, f"at least {networks} networks")
        bars.row(
            f"    one host, 2,000 failures: {'stops it' if (one := rows.one_host_alarms(honest)) else 'nothing'}",
            not one,
            "no effect",
        )


def control(bars: Bars, rounds: int) -> None:
    print(f"The control test, nothing differs: {rounds:,} rollouts, looked at after each event")
    for kind in ("even", "small", "changes"):
        null = rows.control_nulls(kind, rounds)
        bars.row(f"arms {kind}: {null.alarms} of {rounds:,} stopped", alarms_fit(null, 0.01), "at most 1 %")
    null = rows.drifting_nulls(rounds)
    bars.row(f"base rate from 0.5 to 5 %: {null.alarms} of {rounds:,} stopped", alarms_fit(null, 0.01), "at most 1 %")
    print("The control test, devices of the rollout's arm until the alarm: median / 95 of 100")
    for base, worse in ((0.001, 0.01), (0.005, 0.05), (0.02, 0.05), (0.02, 0.10), (0.05, 0.10)):
        for share in (0.5, 0.05):
            found = spread(rows.control_devices_until(base, worse, share, max(1, rounds // 10)))
            bars.row(f"{base:.1%} to {worse:.0%}, arm of {share:.0%}: {found[0]:,.0f} / {found[1]:,.0f}")


def silence(bars: Bars, rounds: int) -> None:
    print(f"Silence: {rounds:,} releases of 5,000 installs; each release has a rate of its own around the base")
    for base in (0.03, 0.10, 0.30):
        for differ in (0.0, 0.15, 0.30):
            found = rows.silence_rows(base, differ, 0.0, rounds)
            text = f"base {base:.0%}, releases differ by {differ:.0%}: {found.alarms} of {rounds:,} false alarms"
            holds = found.alarms <= max(0.01 * rounds, 1) if differ <= 0.15 else None
            bars.row(text, holds, "at most 1 %")
        for added in (0.05, 0.10, 0.20, 0.50):
            found = rows.silence_rows(base, 0.15, added, max(1, rounds // 10))
            seen = f"{found.alarms / found.rounds:.0%} seen, after {found.installs:,.0f} installs in the median"
            bars.row(f"base {base:.0%}, {added:.0%} more fall silent: {seen}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", type=int, default=1, help="one in so many of the rounds")
    part = parser.parse_args().part
    nulls, bad = max(1, NULLS // part), max(1, BAD // part)
    bars, began = Bars(), time.process_time()
    false_alarms(bars, nulls)
    costs(bars, bad)
    attempts(bars, BAD)  # always all: the median of fewer is not known to five attempts
    forgers(bars)
    control(bars, nulls)
    silence(bars, nulls)
    print(f"{time.process_time() - began:.0f} s of CPU; {bars.missed} bars missed")
    return 1 if bars.missed else 0


if __name__ == "__main__":
    sys.exit(main())
