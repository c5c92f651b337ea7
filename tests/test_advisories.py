"""No release with a published fault that advisories.toml lists may be locked, or admitted by pyproject.toml.

The list is kept by hand, so this cannot find what was published after its date.
"""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parent.parent
LOCKS = ("requirements.lock", "requirements-test.lock", "requirements-image.lock", "requirements-load.lock")
ADVISORIES = tomllib.loads((ROOT / "tests" / "advisories.toml").read_text())["advisory"]


def locked(lock: str) -> dict[str, Version]:
    found = re.findall(r"^([a-z0-9-]+)==(\S+)", (ROOT / lock).read_text(), re.MULTILINE)
    return {name: Version(version) for name, version in found}


def admitted() -> dict[str, Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return {each.name: each for each in map(Requirement, project["dependencies"])}


@pytest.mark.parametrize("advisory", ADVISORIES, ids=lambda each: each["id"])
def test_no_release_with_a_published_fault_is_locked_or_admitted(advisory):
    package, fixed = advisory["package"], Version(advisory["fixed"])
    for lock in LOCKS:
        assert locked(lock)[package] >= fixed, f"{lock}: {package} has {advisory['id']}"
    floors = [Version(each.version) for each in admitted()[package].specifier if each.operator == ">="]
    assert max(floors) >= fixed, f"pyproject.toml admits a {package} with {advisory['id']}"


def test_what_parses_requests_and_checks_signatures_is_on_the_list():
    assert {"aiohttp", "cryptography"} <= {each["package"] for each in ADVISORIES}


def test_every_lock_is_within_the_ranges_of_the_project():
    for lock in LOCKS:
        for name, requirement in admitted().items():
            assert requirement.specifier.contains(locked(lock)[name]), f"{lock}: {name}"
