"""Imports point down only, and the pure rooms stay pure."""

import ast
from pathlib import Path

import pytest

EDGE = Path(__file__).parent.parent / "edge"

# A room may import the rooms in its set, and itself.
BELOW = {
    "domain": set(),
    "wire": {"domain"},
    "store": {"domain"},
    "bundles": {"domain", "store"},
    "facts": {"domain", "store"},
    "telemetry": {"domain", "wire", "store"},
    "node": {"domain", "wire", "store", "facts", "telemetry"},
    "control": {"domain", "wire", "store", "bundles", "facts", "telemetry"},
    "assembly": {"domain", "wire", "store", "bundles", "facts", "telemetry", "node", "control"},
    "device": {"domain", "wire", "bundles"},
    "cli": {"domain", "wire", "store", "bundles", "facts", "telemetry", "node", "control", "assembly", "device"},
}
# Within a package: a sub-package may import those in its set, and the package's own modules ("" for them).
BELOW_WITHIN = {
    "domain": {
        "": set(),
        "schedule": {""},
        "targeting": {""},
        "changes": {"", "schedule", "targeting"},
        "decision": {"", "schedule", "targeting"},
    },
    "bundles": {
        "": set(),
        "sources": {"", "zip"},
        "zip": {""},
        "packing": {"", "sources", "zip"},
        "encryption": {"", "packing"},
        "verification": {"", "zip", "encryption"},
    },
    "cli": {
        "terminal": set(),
        "app_folder": {"terminal"},
        "publishing": {"terminal", "app_folder"},
        "releases": {"terminal", "app_folder", "publishing"},
        "devices": {"terminal"},
        "node": {"terminal"},
        "demo": {"terminal", "publishing", "node"},
        "": {"terminal", "app_folder", "publishing", "releases", "devices", "node", "demo"},
    },
    "device": {"": set(), "updating": {""}, "simulators": {"", "updating"}},
    "node": {  # the lane and aiohttp's side never import each other
        "": set(),
        "observing": set(),
        "delivery": set(),
        "service": {"delivery", "observing"},
        "lane": {"service", "delivery", "observing"},
        "http": {"service", "delivery", "observing"},
        "processes": {"lane", "http", "service", "delivery", "observing"},
    },
}
SHARED = {"config"}  # edge/config.py: read by the shells, never by a pure room
PURE = {"domain", "wire"}
IMPURE_MODULES = {"asyncio", "aiohttp", "os", "pathlib", "socket", "time", "random", "logging", "cryptography"}


# gevent patches the standard library of the process that imports it; locust imports gevent.
LOAD_ONLY = {"locust", "gevent", "geventhttpclient", "greenlet", "loadtests"}


def imports_of(path: Path) -> set[str]:
    """Full dotted names imported by one module, relative ones resolved."""
    package = ("edge", *path.relative_to(EDGE).parts[:-1])
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            module = ".".join(part for part in (base, node.module or "") if part)
            found |= {f"{module}.{alias.name}" for alias in node.names} if module == "edge" else {module}
    return found


def room_of(path: Path) -> str:
    return path.relative_to(EDGE).parts[0].removesuffix(".py")


MODULES = sorted(EDGE.rglob("*.py"))


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(EDGE)))
def test_imports_point_down_only(path):
    room = room_of(path)
    if room not in BELOW:  # edge/__init__.py, config.py, __main__.py
        return
    reached = {name.split(".")[1] for name in imports_of(path) if name.startswith("edge.")}
    allowed = BELOW[room] | {room, "__version__"} | (SHARED if room not in PURE else set())
    assert reached <= allowed, f"{room} reaches up to {sorted(reached - allowed)}"


def part_of(name: str) -> str:
    """The sub-package of a module: "decision" for `edge.domain.decision.rules`, "" for `edge.domain.model`."""
    parts = name.split(".")
    return parts[2] if len(parts) > 3 or (len(parts) == 3 and (EDGE / parts[1] / parts[2]).is_dir()) else ""


@pytest.mark.parametrize(
    "path", [p for p in MODULES if room_of(p) in BELOW_WITHIN], ids=lambda p: str(p.relative_to(EDGE))
)
def test_imports_within_a_package_point_down_only(path):
    room, part = room_of(path), part_of(name_of(path))
    inside = {name for name in modules_imported(path) if name.startswith(f"edge.{room}.")}
    reached = {part_of(name) for name in inside if name.count(".") > 2 or part_of(name) == ""}
    allowed = BELOW_WITHIN[room][part] | {part}
    assert reached <= allowed, f"{room}.{part} reaches up to {sorted(reached - allowed)}"


@pytest.mark.parametrize("path", [p for p in MODULES if room_of(p) in PURE], ids=lambda p: str(p.relative_to(EDGE)))
def test_pure_rooms_import_nothing_that_waits_or_looks_outside(path):
    roots = {name.split(".")[0] for name in imports_of(path)}
    assert not roots & IMPURE_MODULES


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(EDGE)))
def test_nothing_imports_the_load_tests_or_what_they_run_on(path):
    roots = {name.split(".")[0] for name in imports_of(path)}
    assert not roots & LOAD_ONLY


def name_of(path: Path) -> str:
    parts = ("edge", *path.relative_to(EDGE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def modules_imported(path: Path) -> set[str]:
    """The modules of edge that one module imports, for types alone included."""
    names = {name_of(each) for each in MODULES}
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return (found & names) - {name_of(path)}


def circle_in(imports: dict[str, set[str]]) -> list[str]:
    """The modules left when those that import nothing left are taken away, again and again: in or behind a circle."""
    left = dict(imports)
    while free := [name for name, reached in left.items() if not reached & left.keys()]:
        for name in free:
            del left[name]
    return sorted(left)


def test_no_modules_import_each_other_in_a_circle():
    # A package's own module is imported with every module in it, so it must stay free of imports from inside.
    assert circle_in({name_of(path): modules_imported(path) for path in MODULES}) == []


def test_a_circle_is_found():
    assert circle_in({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": set()}) == ["a", "b", "c"]


def test_every_room_has_its_place_in_the_picture():
    assert {p.name for p in EDGE.iterdir() if p.is_dir() and p.name != "__pycache__"} <= set(BELOW)
