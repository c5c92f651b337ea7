"""What a segment matches: each field, unknown values, versions, shares, sets, and what no release should trip over."""

import pytest
from factories import APP, DEVICE, a_check

from edge.domain.buckets import bucket_of, segment_salt
from edge.domain.facts import NO_FACTS, Behaviour, DeviceFacts
from edge.domain.model import Platform
from edge.domain.plugin import Plugin
from edge.domain.targeting.id_sets import encode_id_set, parse_id_set
from edge.domain.targeting.places import NO_PLACE, Location, NodePlace
from edge.domain.targeting.segments import asks_facts, compile_segment, compile_segments

EUROPE = NodePlace("eu", Location(52.5, 13.4))
SETS = {"vip": parse_id_set(encode_id_set([DEVICE.upper(), "user-7"])), "qa": parse_id_set(encode_id_set(["user-8"]))}


def a_device(number):
    return f"{number:08x}-0000-4000-8000-000000000000"


def matches(where, facts=NO_FACTS, *, place=EUROPE, **check):
    return compile_segment(APP, "beta", where, place=place, sets=SETS)(a_check(**check), facts)


def outcome(where, *arguments, **keywords):
    """True, False or None for unknown."""
    yes, no = (matches(text, *arguments, **keywords) for text in (where, f"!({where})"))
    assert not (yes and no)
    return True if yes else (False if no else None)


@pytest.mark.parametrize(
    ("where", "check"),
    [
        ('platform == "electron"', {"platform": Platform.ELECTRON}),
        ('platform in ["ios", "electron"]', {"platform": Platform.IOS}),
        ('version_build == "2.1"', {"version_build": "2.1.0.77"}),
        ('version_name == "2.1"', {"version_name": "2.1.0+build.7"}),
        ('version_os >= "14"', {"version_os": "14"}),
        ('version_os in ["17.4"]', {"version_os": "17.4"}),
        ('plugin_version < "8.52"', {"plugin": Plugin("8.51.14")}),
        ("is_prod", {"is_prod": True}),
        ("is_emulator", {"is_emulator": True}),
        ('custom_id.startsWith("qa-")', {"custom_id": "qa-1"}),
        (f'device_id == "{DEVICE.upper()}"', {}),
        ('default_channel == "beta"', {"default_channel": "beta"}),
        ('install_source in ["testflight", "app_store"]', {"install_source": "testflight"}),
        ('key_id.endsWith("z")', {"key_id": "MIIBz"}),
        ('country in ["DE", "AT"]', {"country": "AT"}),
    ],
)
def test_a_field_is_what_the_device_says(where, check):
    other = {"platform": Platform.ANDROID, "is_prod": False, "version_build": "9", "plugin": Plugin("9.0.0")}
    assert outcome(where, **check) is True
    assert not matches(where, device=a_device(1), **other)


def test_the_region_is_the_nodes():
    assert outcome('region == "eu"') is True
    assert outcome('region == "us"') is False
    assert outcome('region == "eu"', place=NO_PLACE) is None


def test_the_distance_is_from_the_node_to_the_middle_of_the_country():
    assert outcome("distance == 258", country="DE") is True
    assert outcome("distance < 5000", country="US") is False
    assert outcome("distance in [258, 7868]", country="DE") is True


@pytest.mark.parametrize(
    ("place", "country"), [(EUROPE, ""), (EUROPE, "ZZ"), (NO_PLACE, "DE"), (NodePlace("eu"), "DE")]
)
def test_a_distance_from_or_to_nowhere_known_is_unknown(place, country):
    assert outcome("distance >= 0", place=place, country=country) is None


@pytest.mark.parametrize("field", ["custom_id", "default_channel", "install_source", "key_id"])
def test_an_empty_text_is_known(field):
    assert outcome(f'{field} == ""') is True
    assert outcome(f'{field} == "a"') is False


@pytest.mark.parametrize(
    ("operator", "expected"),
    [
        ("==", [False, True, False]),
        ("!=", [True, False, True]),
        ("<", [True, False, False]),
        ("<=", [True, True, False]),
        (">", [False, False, True]),
        (">=", [False, True, True]),
    ],
)
def test_an_operator_and_its_opposite_differ_on_every_side(operator, expected):
    for number, outcome_ in enumerate(expected, 1):
        facts = DeviceFacts(behaviour=Behaviour(sessions_7d=number))
        assert outcome(f"sessions_7d {operator} 2", facts) is outcome_
        assert outcome(f'version_build {operator} "1.2"', version_build=f"1.{number}") is outcome_
        assert outcome(f'custom_id {operator} "2"', custom_id=str(number)) is outcome_
        flipped = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}.get(operator, operator)
        assert outcome(f"2 {flipped} sessions_7d", facts) is outcome_


UNKNOWN_CHECK = {"version_name": "main", "version_os": "", "plugin": Plugin("dev"), "country": "", "place": NO_PLACE}


@pytest.mark.parametrize(
    "atom",
    [
        *(f'{f} {op} "1.0.0"' for f in ("version_name", "version_os", "plugin_version") for op in ("==", "!=", "<")),
        *(f'{f} {op} ""' for f in ("country", "region") for op in ("==", "!=", "<", ">=")),
        *(f"{f} {op} 0" for f in ("first_seen_days", "sessions_7d", "errors_7d") for op in ("==", "!=", "<=")),
        'version_os in ["1"]',
        'country in [""]',
        'country.contains("")',
        'region.startsWith("")',
        "version_name == version_name",
        "version_name != version_build",
        "version_build != version_name",
        "country != region",
        "distance == distance",
        "distance >= 0",
        'feature("checkout")',
        'in_set("gone")',
    ],
)
def test_what_is_unknown_matches_neither_way(atom):
    assert outcome(atom, **UNKNOWN_CHECK) is None


@pytest.mark.parametrize("text", ["unknown", "builtin", "", "Android", "-1"])
def test_a_version_that_is_none_is_unknown(text):
    assert outcome('version_os >= "0"', version_os=text) is None


U = "errors_7d == 0"  # unknown


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (f"!({U})", None),
        *((f"{U} || {other}", expected) for other, expected in (("true", True), ("false", None), (U, None))),
        *((f"{other} || {U}", expected) for other, expected in (("true", True), ("false", None))),
        *((f"{U} && {other}", expected) for other, expected in (("true", None), ("false", False), (U, None))),
        *((f"{other} && {U}", expected) for other, expected in (("true", None), ("false", False))),
        *((f"({U}) {op} {truth}", None) for op in ("==", "!=") for truth in ("true", "false")),
        (f"!({U} || false) || !({U} && false)", True),
        (f"!({U} && true) && !({U} || true)", False),
        ("true || true", True),
        ("false || false", False),
        ("true && true", True),
        ("true && false", False),
    ],
)
def test_unknown_goes_through_kleenes_logic(where, expected):
    assert outcome(where) is expected


BEHAVIOUR = Behaviour(first_seen_days=7, sessions_7d=0, errors_7d=3, features=frozenset({"checkout"}))
FACTS = DeviceFacts(behaviour=BEHAVIOUR)


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("first_seen_days >= 7", True),
        ("sessions_7d == 0", True),
        ("errors_7d in [1, 2]", False),
        ("sessions_7d < errors_7d", True),
        ('feature("checkout")', True),
        ('feature("search")', False),
    ],
)
def test_facts_count_once_they_are_known(where, expected):
    assert outcome(where, FACTS) is expected


@pytest.mark.parametrize(
    ("version", "where", "expected"),
    [
        ("10.0.0", 'version_name > "9.9.9"', True),
        ("1.0.0-rc.1", 'version_name < "1"', True),
        ("1.0.0-rc.2", 'version_name > "1.0.0-rc.1"', True),
        ("1.0.0-rc.10", 'version_name > "1.0.0-rc.9"', True),
        ("1.0.0", 'version_name > "1.0.0-rc.9"', True),
        ("1.0.0+a", 'version_name == "1.0.0+b"', True),
        ("1.0.1", 'version_name == "1"', False),
        ("1.0.1", "version_name == version_build", False),
        ("1.0.0", "version_name == version_build", True),
    ],
)
def test_versions_compare_as_versions(version, where, expected):
    assert outcome(where, version_name=version, version_build="1.0.0") is expected


@pytest.mark.parametrize("percent", ["0.001", "0.5", "12.345", "50", "100"])
def test_a_bucket_is_that_share_of_the_devices(percent):
    salt, end = segment_salt(APP, "beta"), float(percent) * 1000
    for device in map(a_device, range(300)):
        assert outcome(f"bucket({percent})", device=device) is (bucket_of(salt, device) < round(end))


def test_a_share_holds_those_of_every_smaller_one():
    devices = list(map(a_device, range(300)))
    tenth, half = ([d for d in devices if matches(f"bucket({n})", device=d)] for n in (10, 50))
    assert set(tenth) < set(half)


def test_segments_draw_apart():
    both = [("one", "bucket(50)"), ("two", "bucket(50)")]
    first = compile_segments(APP, both, place=NO_PLACE, sets={})
    found = [first(a_check(device=a_device(number)), NO_FACTS) for number in range(400)]
    assert 60 < found.count(1) < 140
    assert 60 < found.count(-1) < 140


@pytest.mark.parametrize(
    ("where", "check", "expected"),
    [
        ('in_set("vip")', {}, True),
        ('in_set("vip")', {"device": a_device(1)}, False),
        ('in_set("vip")', {"device": a_device(1), "custom_id": "user-7"}, True),
        ('in_set("vip")', {"device": a_device(1), "custom_id": "User-7"}, False),
        ('in_set("vip")', {"device": a_device(1), "custom_id": DEVICE.upper()}, True),
        ('in_set("qa") || in_set("vip")', {"device": a_device(1), "custom_id": "user-7"}, True),
        ('in_set("qa") && in_set("vip")', {"custom_id": "user-8"}, True),
        ('in_set("vip") && custom_id == ""', {}, True),
    ],
)
def test_a_set_holds_a_device_by_its_id_or_its_custom_id(where, check, expected):
    assert outcome(where, **check) is expected


def test_an_empty_custom_id_is_in_no_set():
    blank = {"blank": parse_id_set(encode_id_set([""]))}
    assert compile_segment(APP, "s", 'in_set("blank")', place=NO_PLACE, sets=blank)(a_check(), NO_FACTS) is False


def test_the_first_match_in_order_counts():
    wheres = ("false", 'platform == "ios"', "is_prod", "true")
    first = compile_segments(APP, [(f"s{n}", where) for n, where in enumerate(wheres)], place=NO_PLACE, sets={})
    assert first(a_check(), NO_FACTS) == 2
    assert first(a_check(is_prod=False), NO_FACTS) == 3
    assert first(a_check(platform=Platform.IOS), NO_FACTS) == 1


def test_without_segments_nothing_matches():
    assert compile_segments(APP, [], place=NO_PLACE, sets={})(a_check(), NO_FACTS) == -1


def test_an_expression_that_cannot_be_read_matches_nothing_and_harms_no_other():
    segments = [("newer", 'colour == "red" || true'), ("broken", '"'), ("fine", "true")]
    assert compile_segments(APP, segments, place=NO_PLACE, sets={})(a_check(), NO_FACTS) == 2
    assert matches("!unheard_of()") is False


@pytest.mark.parametrize(
    "text", ["') or True or (\"", "__import__('os').abort()", "k0", "\n    return 0\n", "{check}", "#", '"""']
)
def test_a_text_stays_a_text(text):
    literal = "'" + text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n") + "'"
    assert outcome(f"custom_id == {literal}") is False
    assert outcome(f"custom_id == {literal}", custom_id=text) is True
    assert outcome(f"feature({literal})", DeviceFacts(behaviour=Behaviour(features=frozenset({text})))) is True


@pytest.mark.parametrize("innermost", ['version_os == "1"', 'in_set("vip")', "first_seen_days > 1", "is_prod"])
@pytest.mark.parametrize("opening", ["(", "!(", "true && (", "false || true && (", "!(false || true && !("])
def test_the_deepest_expression_compiles(opening, innermost):
    times = 63 // (opening.count("(") + opening.count("!"))
    where = opening * times + innermost + ")" * (times * opening.count("("))
    assert outcome(where, version_os="1", version_build="1.0.0") in (True, False, None)
    assert outcome(where, FACTS, version_os="1") is not None


@pytest.mark.parametrize("link", ["false||", "true&&", "!true||", 'custom_id=="a"||', "bucket(0.001)||"])
def test_the_longest_chain_compiles(link):
    chain = link * ((4096 - 12) // len(link)) + "is_prod"
    assert outcome(chain) is True


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("is_prod", False),
        ('in_set("vip") && bucket(5)', False),
        ("true", False),
        ("!(errors_7d > 3)", True),
        ('is_prod || (platform == "ios" && feature("checkout"))', True),
        ("3 < sessions_7d", True),
        ("not an expression", False),
    ],
)
def test_an_expression_tells_whether_it_looks_at_facts(where, expected):
    assert asks_facts(where) is expected


class Counted(str):
    """A device id that counts how often it is hashed."""

    hashed = 0

    def encode(self, *arguments):
        Counted.hashed += 1
        return super().encode(*arguments)


class CountedSet:
    asked = 0

    def holds(self, hash_):
        self.asked += 1
        return False


def test_an_answer_that_costs_something_is_paid_once_a_check_however_often_it_is_asked():
    """32 KiB of such expressions took 1.7 ms of a worker at every check of the app."""
    ids, many = CountedSet(), 200
    where = " || ".join(['in_set("vip")'] * many)
    segments = [("a", where), ("b", where), ("c", " || ".join(["bucket(0.001)", "!bucket(100)"] * (many // 2)))]
    first_match = compile_segments(APP, segments, place=NodePlace("eu"), sets={"vip": ids})
    Counted.hashed = 0
    assert first_match(a_check(device=Counted(a_device(7)), custom_id="qa"), NO_FACTS) == -1
    assert ids.asked == 2  # by the device's id and by its custom id
    assert Counted.hashed == 2  # for the set and for the bucket


def test_a_bucket_that_is_asked_twice_is_drawn_anew_for_the_next_segment():
    segments = [("a", "bucket(1) && bucket(50)"), ("b", "bucket(1) && bucket(50)")]
    first_match = compile_segments(APP, segments, place=NodePlace("eu"), sets={})
    of_b = next(
        device
        for device in map(a_device, range(10_000))
        if bucket_of(segment_salt(APP, "b"), device) < 1_000 <= bucket_of(segment_salt(APP, "a"), device)
    )
    assert first_match(a_check(device=of_b), NO_FACTS) == 1
