"""PROTOCOL.md has every section that code cites, and contains what the code and the capability table contain."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.domain.decision.channel_choice import ChannelSelfReason
from edge.domain.decision.outcomes import Reason
from edge.wire.actions import ACTIONS

ROOT = Path(__file__).parents[2]
WIRE = ROOT / "edge" / "wire"
DOCUMENT = (WIRE / "PROTOCOL.md").read_text()
TABLE = json.loads((WIRE / "plugins" / "capabilities.json").read_text())
(ELECTRON,) = TABLE["families"]
FOLDERS = ("edge", "tests", "benchmarks", "loadtests", "config")

NUMBER = r"\d+(?:\.\d+)*"
# A title, or an item of the list in §0.
SECTION = re.compile(rf"^(?:#+ ({NUMBER}) |\* \*\*({NUMBER})\*\* )", re.MULTILINE)
# Sections, a list of them or a range; those behind an RFC's number or another name are not PROTOCOL.md's.
CITATION = re.compile(rf"(RFC\s\d+|OFREP\.md)?[\s#]*((?:§ ?{NUMBER}(?:-{NUMBER})?(?:,\s|\sand\s|\sto\s)?)+)")
# The sections that the `why` of a test vector begins with: `1.3 step 4; RFC 9110 14`, `10: 404, never 503`.
REASON = re.compile(rf"({NUMBER}(?:, {NUMBER})*)(?: (?:rule|step)s? [\d a-z,-]+)?(?:[:,;]|$)")

LINES = (5, 6, 7, 8)
PLATFORMS = {"both": "", "android": " Android", "ios": " iOS"}


def sections_of(document: str) -> set[str]:
    return {title or item for title, item in SECTION.findall(document)}


def cited_sections(source: str, document: str = "") -> set[str]:
    found = (numbers for other, numbers in CITATION.findall(source) if other == document)
    return {number for numbers in found for number in re.findall(NUMBER, numbers)}


def reasoned_sections(why: str) -> set[str]:
    matches = (REASON.match(part.strip()) for part in why.split(";"))
    return {number for match in matches if match for number in match[1].split(", ")}


def sources() -> Iterator[Path]:
    for folder in FOLDERS:
        for suffix in ("*.py", "*.json"):
            yield from (path for path in sorted((ROOT / folder).rglob(suffix)) if path != Path(__file__))


@pytest.mark.parametrize(("name", "least"), [("", 30), ("OFREP.md", 4)])
def test_every_citation_has_its_section(name, least):
    sections = sections_of((WIRE / (name or "PROTOCOL.md")).read_text())
    cited = {path.relative_to(ROOT).as_posix(): cited_sections(path.read_text(), name) for path in sources()}
    assert {path: numbers - sections for path, numbers in cited.items() if numbers - sections} == {}
    assert len(set().union(*cited.values())) > least, "citations are not recognised"


@pytest.mark.parametrize(
    ("source", "cited"),
    [
        ("# as on devices (PROTOCOL.md §1.3)", {"1.3"}),
        ("(§1.3.1)", {"1.3.1"}),
        ("PROTOCOL.md §1.3, §10 and §5.7", {"1.3", "10", "5.7"}),
        ("PROTOCOL.md §1.6-1.8", {"1.6", "1.8"}),
        ("the protocol's text\n    # §4", {"4"}),
        ("RFC 9110 14.2", set()),
        ("(RFC 9636 §3)", set()),
        ("RFC 9636 §3; §4.2", {"4.2"}),
    ],
)
def test_citations_are_recognised(source, cited):
    assert cited_sections(source) == cited


def test_every_section_that_a_device_case_holds_exists():
    sections = sections_of(DOCUMENT)
    for path in sorted((ROOT / "tests" / "vectors" / "device").glob("*.json")):
        for case in json.loads(path.read_text()).get("cases", []):
            assert reasoned_sections(case["why"]) <= sections, (path.name, case["name"], case["why"])


@pytest.mark.parametrize(
    ("why", "sections"),
    [
        ("1.3 step 4; RFC 9110 14", {"1.3"}),
        ("0.1, 1.3.1, 10", {"0.1", "1.3.1", "10"}),
        ("10, 11.7: up to date, then blocked", {"10", "11.7"}),
        ("1.4 rules 29-32 before 33", {"1.4"}),
        ("10; 64 characters", {"10"}),
        ("semver 11; 11.1", {"11.1"}),
    ],
)
def test_reasons_are_recognised(why, sections):
    assert reasoned_sections(why) == sections


def test_a_citation_without_a_section_is_found():
    document = "# The protocol\n\n## 1 Checks\n\n### 1.3 Fields\n\n* **0.4** Ranges\n\nNo title: 1.4\n"
    assert cited_sections("PROTOCOL.md §1, §1.3, §1.4; §0.4, §13") - sections_of(document) == {"1.4", "13"}


def test_no_section_comes_twice():
    numbers = [title or item for title, item in SECTION.findall(DOCUMENT)]
    assert len(numbers) == len(set(numbers))


def test_every_capability_has_its_line():
    rows: dict[str, list[dict]] = {}
    for row in TABLE["capabilities"]:
        rows.setdefault(row["capability"], []).append(row)
    for name, of_platforms in rows.items():
        for line in lines_of(name, of_platforms):
            assert f"\n{line} | " in DOCUMENT, line


def test_every_capability_of_electron_has_its_line():
    for row in ELECTRON["capabilities"]:
        assert f"\n| `{row['capability']}` | `{row['ranges'][-1][2]}` |" in DOCUMENT, row["capability"]


def test_every_code_and_action_is_named():
    words = set(re.findall(r"`(\w+)`", DOCUMENT))
    tens = {f"download_{percent}" for percent in range(10, 90, 10)}  # between the two ends that are named
    codes = {reason.code for reason in (*Reason, *ChannelSelfReason)}
    assert (codes | ACTIONS - tens) - words == set()


def lines_of(name: str, rows: list[dict]) -> list[str]:
    """The beginnings of a capability's lines. Android and iOS share one where their newest values are equal."""
    title = f"**`{name}`**" if is_looked_up(name) else f"`{name}`"
    values = [newest_of(row) for row in rows]
    if len(rows) == 2 and values[0] == values[1]:
        pairs = zip(*map(beginnings_of, rows), strict=True)
        cells = [one if one == other else f"{one} / {other}" for one, other in pairs]
        return [f"| {title} | `{values[0]}` | {' | '.join(cells)}"]
    return [
        f"| {title}{PLATFORMS[row['platform']]} | `{value}` | {' | '.join(beginnings_of(row))}"
        for row, value in zip(rows, values, strict=True)
    ]


def is_looked_up(name: str) -> bool:
    """Whether the row decides what the node does."""
    return any(f'"{name}"' in path.read_text() for path in WIRE.rglob("*.py"))


def newest_of(row: dict) -> str:
    return next(value for _, last, value in row["ranges"] if last == TABLE["last"])


def beginnings_of(row: dict) -> list[str]:
    """From which release of each line on the newest release's value holds."""
    found = []
    for line in LINES:
        beginning = "–"
        for first, _, value in reversed([each for each in row["ranges"] if each[0].startswith(f"{line}.")]):
            if value != newest_of(row):
                break
            beginning = first
        found.append(beginning)
    return found
