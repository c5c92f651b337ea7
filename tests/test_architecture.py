"""The walls of the house: imports point down only, never in a circle, and the pure packages stay pure.

Imports for types alone count, and so do those inside functions.
"""

import ast
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from places import ROOT

from edge.cli.main import VERBS

EDGE = ROOT / "edge"

# A package may import the packages in its set, and itself.
BELOW = {
    "domain": set(),
    "wire": {"domain"},
    "store": {"domain"},
    "bundles": {"domain", "store"},
    "facts": {"domain", "store"},
    "telemetry": {"domain", "wire", "store", "facts"},  # how a device is used joins what else is known of it
    "node": {"domain", "wire", "store", "facts", "telemetry", "config"},
    "control": {"domain", "wire", "store", "bundles", "facts", "telemetry", "messages", "push", "regions", "config"},
    "messages": {"domain", "store", "config"},  # what the node says to others, by itself
    "push": {"domain", "wire", "store", "facts", "telemetry", "messages", "config"},  # messages to people's devices
    "regions": {"domain", "wire", "store", "facts", "telemetry", "config"},  # following the truth, and sending home
    "page": {"domain", "wire", "store", "bundles", "facts", "telemetry", "control", "config"},  # asks what the API asks
    "assembly": {
        *(
            "domain",
            "wire",
            "store",
            "bundles",
            "facts",
            "telemetry",
            "node",
            "control",
            "messages",
            "push",
            "regions",
            "page",
        ),
        "config",
    },
    "device": {"domain", "wire", "bundles"},
    "cli": {
        *("domain", "wire", "store", "bundles", "facts", "telemetry"),
        *("node", "control", "messages", "push", "regions", "page", "assembly", "device", "config"),
    },
}

# Within a package: a part may import the parts in its set, and itself. "" stands for the package's own modules.
BELOW_WITHIN = {
    "domain": {
        "app_parts": set(),
        "": {"app_parts"},
        "statistics": {""},
        "schedule": {""},
        "targeting": {""},
        "behaviour": {"", "targeting"},  # judges what segments read
        "sharing": {""},  # what nodes in several regions know together about single devices
        "pushing": {""},  # what goes to one device through a provider
        "forms": {""},
        "patches": {""},
        "guarding": {"", "schedule", "statistics"},  # whether a release fails more than it may
        "comparing": {
            "",
            "app_parts",
            "schedule",
            "statistics",
            "guarding",
        },  # what an experiment shows; one network's cap is the guard's
        "features": {"", "app_parts", "targeting"},  # what an app's code asks for by name, by segment
        # who gets a message, when, and what it changed
        "messaging": {"", "app_parts", "pushing", "schedule", "statistics", "comparing"},
        "approving": {
            "",
            "app_parts",
            "schedule",
            "targeting",
            "messaging",
        },  # whether a change may be made, by its effect
        "changes": {
            *("", "app_parts", "schedule", "targeting", "guarding", "comparing", "features", "messaging"),
            "approving",
        },
        "decision": {"", "app_parts", "schedule", "targeting", "forms", "patches", "features"},
    },
    "wire": {
        "plugins": set(),
        "": {"plugins"},
        "providers": set(),
        "push": {"", "plugins"},
        "ofrep": {""},  # what clients of features speak
    },
    "store": {
        "disk": set(),
        "objects": {"disk"},
        "": {"objects", "disk", "keys"},
        "s3": {"", "objects", "disk", "keys"},  # also what reads releases whose truth is there
        "keys": {"", "objects", "disk"},  # who may write: read by `key_set`, which what changes it builds on
        "secrets": {"disk"},  # secrets at rest
        "upkeep": {"", "objects", "disk", "keys", "s3", "secrets"},
    },
    "regions": {
        "": set(),
        "feed": {""},
        "sources": {"", "feed"},  # both ends of one protocol
        "following": {""},
        "sending": {""},
        "sharing": {""},
        "fleet": {""},
    },
    "push": {"providers": set(), "": {"providers"}},
    "facts": {"sharing": set(), "": {"sharing"}},  # what of them all nodes are to know
    "bundles": {
        "": set(),
        "zip": {""},
        "sources": {"", "zip"},
        "packing": {"", "sources", "zip"},
        "encryption": {"", "packing"},
        "store_rules": {"", "sources"},  # what app stores do not allow in a live update
        "intake": {
            "",
            "sources",
            "packing",
            "store_rules",
        },  # read, checked and packed: for the command line and for the page
        "patches": {""},
        "verification": {"", "zip", "encryption", "patches", "store_rules"},
    },
    "node": {  # lane and http are siblings: they never import each other
        "": set(),
        "observing": set(),
        "links": set(),
        "proving": set(),
        "delivery": {"proving"},
        "tls": {"delivery"},
        "service": {"delivery", "proving", "observing"},
        "lane": {"service", "links", "delivery", "proving", "observing"},
        "http": {"service", "delivery", "proving", "observing"},
        "processes": {"links", "lane", "http", "service", "delivery", "tls", "proving", "observing"},
        "succession": {"processes", "service"},
    },
    "telemetry": {
        "": set(),
        "spool": set(),
        "behaviour": {"spool"},  # the facts that follow from what a device did, as workers read them
        "votes": {"spool"},  # of devices on a release under guard
        "trials": {"spool"},  # devices in experiments
        "devices": {"spool"},
        "push": {"spool", "devices"},  # devices that take messages
        "folding": {"spool", "behaviour", "votes", "trials", "push"},
        "questions": {"folding", "votes", "trials"},
        "clickhouse": {"folding", "questions"},
        "upkeep": {
            "spool",
            "folding",
            "behaviour",
            "votes",
            "trials",
            "push",
        },  # raw events: keeping, exporting, erasing; the audit
    },
    "control": {
        "access": set(),  # who may do what
        "login": {"access", "push"},  # how people sign in; and all signed documents
        "audit": set(),  # what is recorded of it
        "push": {"access"},  # credentials of push providers
        "": {"access", "login", "audit", "push", "shapes", "routes", "doors"},
        "shapes": {"", "access"},
        "routes": {"", "access", "login", "audit", "push", "shapes"},
        "doors": {"", "access", "audit", "routes", "shapes"},  # the table of operations, and who carries them out
    },
    "page": {
        "words": set(),
        "charts": {"words"},
        "door": set(),
        "acts": {"words", "door"},
        "publishing": set(),  # what somebody drops: received, packed by a process, kept for a while
        "views": {"words", "charts", "acts", "door", "publishing"},
        "people": {"", "words", "door", "acts", "views"},  # their ways in, their account, and what admins do about them
        "": {"words", "charts", "door", "acts", "publishing", "views", "people"},
    },
    # counting is a process of its own, and `folding` asks it
    "assembly": {
        "children": set(),  # processes beside the workers
        "counting": {"children"},
        "pushing": {"children"},  # a process of its own, of messages to devices
        "guarding": {"counting"},
        "region": {"counting"},
        "login": set(),  # how people sign in
        "": {"children", "counting", "pushing", "guarding", "region", "login"},
        "roles": {"", "children", "counting", "pushing", "guarding", "region", "login"},  # each a node whole
    },
    "device": {"": set(), "updating": {""}, "simulators": {"", "updating"}},
    "cli": {
        "terminal": set(),
        "audit": {"terminal", "store"},
        "app_folder": {"terminal"},
        "publishing": {"terminal", "app_folder"},
        "figures": {"terminal"},
        # a rollout shows what came of its sides; an experiment may be on a feature
        "releases": {"terminal", "app_folder", "publishing", "figures", "features"},
        "devices": {"terminal"},
        "features": {"terminal", "devices"},
        "approvals": {"terminal"},
        "node": {"terminal"},
        "people": {"terminal"},
        "store": {"terminal"},
        "keys": {"terminal", "store"},
        "push": {"terminal"},
        "demo": {"terminal", "publishing", "node"},
        "": {
            *(
                "terminal",
                "app_folder",
                "publishing",
                "releases",
                "devices",
                "figures",
                "node",
                "store",
                "keys",
                "demo",
            ),
            "audit",
            "features",
        },
    },
}

PURE = {"domain", "wire"}
IMPURE_MODULES = {
    *("asyncio", "aiohttp", "os", "pathlib", "socket", "logging", "cryptography"),
    *("time", "random", "secrets", "uuid"),
}
CLOCKS = {"now", "utcnow", "today", "time", "time_ns", "monotonic", "perf_counter", "localtime", "gmtime", "urandom"}

# The product knows nothing of what drives it. gevent, which locust imports, patches the standard library of a process.
OUTSIDE = {"tests", "benchmarks", "loadtests", "locust", "gevent", "geventhttpclient", "greenlet"}

MODULES_LIMIT = 14  # in one folder: beyond that nobody guesses where a line lives


def name_of(path: Path) -> str:
    parts = ("edge", *path.relative_to(EDGE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


PATHS = {name_of(path): path for path in sorted(EDGE.rglob("*.py"))}


def imported_by(source: str) -> set[str]:
    """Dotted names of everything that a module imports, and of the modules in which it looks."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            assert not node.level, "imports are absolute"
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found


@cache
def imports() -> dict[str, set[str]]:
    return {name: imported_by(path.read_text()) - {name} for name, path in PATHS.items()}


def package_of(name: str) -> str:
    """ "domain" for `edge.domain.decision.rules`, "config" for `edge.config`, "" for `edge` itself."""
    return (*name.split("."), "")[1]


def part_of(name: str) -> str:
    """ "decision" for `edge.domain.decision.rules`, "" for `edge.domain.model`."""
    parts = name.split(".")
    return parts[2] if len(parts) > 2 and EDGE.joinpath(*parts[1:3]).is_dir() else ""


def test_imports_point_down_only():
    above = {}
    for name in PATHS:
        if (package := package_of(name)) in BELOW:
            reached = {package_of(each) for each in imports()[name] if each in PATHS}
            above[name] = reached - BELOW[package] - {package, ""}
    assert_none(above)


def test_imports_within_a_package_point_down_only():
    above = {}
    for name in PATHS:
        if (package := package_of(name)) in BELOW_WITHIN:
            modules = {each for each in imports()[name] if each in PATHS and package_of(each) == package}
            reached = {part_of(each) for each in modules if PATHS[each].stem != "__init__"}
            above[name] = reached - BELOW_WITHIN[package][part_of(name)] - {part_of(name)}
    assert_none(above)


def test_pure_packages_import_nothing_that_waits_or_looks_outside():
    assert_none({name: {each.split(".")[0] for each in imports()[name]} & IMPURE_MODULES for name in pure_modules()})


def test_pure_packages_call_no_clock():
    called = {}
    for name in pure_modules():
        functions = [node.func for node in ast.walk(ast.parse(PATHS[name].read_text())) if isinstance(node, ast.Call)]
        called[name] = {function.attr for function in functions if isinstance(function, ast.Attribute)}
        called[name] |= {function.id for function in functions if isinstance(function, ast.Name)}
    assert_none({name: found & CLOCKS for name, found in called.items()})


def pure_modules() -> list[str]:
    return [name for name in PATHS if package_of(name) in PURE]


def assert_none(found: dict[str, set[str]]) -> None:
    """By module, what it should not have."""
    assert found
    assert {name: sorted(each) for name, each in found.items() if each} == {}


def test_the_product_imports_nothing_that_drives_it():
    reached = {name for name, found in imports().items() if {each.split(".")[0] for each in found} & OUTSIDE}
    assert reached == set()


FOLDING_ALONE = {"datasketches", "numpy", "pyarrow"}  # 30 to 100 MB, and half a second of a start, in each process


def reached_from(*roots: str) -> set[str]:
    """These modules and what they import, in turn."""
    reached, left = set(), list(roots)
    while left:
        if (name := left.pop()) not in reached:
            reached.add(name)
            left += [each for each in imports()[name] if each in PATHS]
    return reached


def test_only_the_folding_process_loads_the_libraries_of_figures():
    serving = reached_from("edge.assembly.standalone", "edge.node.processes.worker")
    assert "edge.assembly.folding" in serving and "edge.assembly.counting.process" not in serving
    assert {name for name in serving if {each.split(".")[0] for each in imports()[name]} & FOLDING_ALONE} == set()


def circle_in(reaching: dict[str, set[str]]) -> list[str]:
    """What is left when modules that import nothing left are taken away, again and again: in a circle, or above one."""
    left = dict(reaching)
    while free := [name for name, reached in left.items() if not reached & left.keys()]:
        for name in free:
            del left[name]
    return sorted(left)


def test_no_modules_import_each_other_in_a_circle():
    assert circle_in({name: found & PATHS.keys() for name, found in imports().items()}) == []


def test_a_circle_is_found():
    assert circle_in({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": set()}) == ["a", "b", "c"]


def test_imports_for_types_and_within_functions_count():
    source = "if TYPE_CHECKING:\n    from edge.a import b\ndef c():\n    import edge.d"
    assert imported_by(source) == {"edge.a", "edge.a.b", "edge.d"}


def test_every_package_has_its_place():
    assert {package_of(name) for name, path in PATHS.items() if path.stem == "__init__"} - {""} == set(BELOW)
    with_parts = {package_of(name) for name, path in PATHS.items() if path.stem == "__init__" and part_of(name)}
    assert with_parts == set(BELOW_WITHIN)
    for package, parts in BELOW_WITHIN.items():
        assert {part_of(name) for name in PATHS if package_of(name) == package} | {""} == set(parts) | {""}


def test_every_module_is_used():
    processes = {"edge.__main__", "edge.node.processes.worker", "edge.node.proving.scrub_process"}
    processes |= {"edge.assembly.counting.process", "edge.assembly.pushing.process"}
    processes |= {"edge.telemetry.upkeep.export_process"}
    processes |= {"edge.bundles.intake.intake_process"}
    entries = {*processes, *(f"edge.cli.{verb.module}" for verb in VERBS.values())}
    used = set.union(*imports().values()) | entries
    assert {name for name, path in PATHS.items() if path.stem != "__init__"} - used == set()


def test_no_folder_is_too_full():
    folders = defaultdict(list)
    for path in PATHS.values():
        if path.stem != "__init__":
            folders[path.parent.relative_to(ROOT)].append(path.stem)
    assert {str(folder): len(names) for folder, names in folders.items() if len(names) > MODULES_LIMIT} == {}


def types_in(source: str) -> Iterator[str]:
    """The public classes and type aliases of a module."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.ClassDef):
            names = [node.name]
        elif isinstance(node, ast.Assign):
            names = [each.id for each in node.targets if isinstance(each, ast.Name)]
        else:
            names = []
        yield from (name for name in names if re.fullmatch(r"[A-Z]\w*[a-z]\w*", name))


def test_no_two_public_types_share_a_name():
    places = defaultdict(list)
    for name, path in PATHS.items():
        for each in types_in(path.read_text()):
            places[each].append(name)
    assert {each: names for each, names in places.items() if len(names) > 1} == {}


def test_tests_mirror_the_product():
    folders = [
        each for package in BELOW for each in (ROOT / "tests" / package).rglob("*") if any(each.glob("test_*.py"))
    ]
    assert [str(each) for each in folders if not (EDGE / each.relative_to(ROOT / "tests")).is_dir()] == []


def test_no_two_test_files_share_a_name():
    # pytest imports them by their file's name alone.
    names = Counter(path.name for path in (ROOT / "tests").rglob("test_*.py"))
    assert [name for name, count in names.items() if count > 1] == []
