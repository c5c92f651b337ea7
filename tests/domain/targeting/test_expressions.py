"""Reading expressions: what is accepted, and for what is not, the column and the reason."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edge.domain.errors import Invalid
from edge.domain.model import Platform
from edge.domain.targeting.conditions import (
    AllOf,
    AnyOf,
    Bucket,
    Comparison,
    Constant,
    Flag,
    InSet,
    Member,
    Not,
    TextTest,
    UsedFeature,
)
from edge.domain.targeting.language import FIELDS, FUNCTIONS, METHODS, language_rows
from edge.domain.targeting.parser import (
    EXPRESSION_LEVELS_LIMIT,
    EXPRESSION_LIMIT_BYTES,
    check_expression,
    parse_expression,
)
from edge.domain.versions import Version, parse_version

DEVICE = "00009a6b-eefe-490a-9c60-8e965132ae51"
PROD, EMULATOR = Flag(FIELDS["is_prod"]), Flag(FIELDS["is_emulator"])
IOS = Comparison("==", FIELDS["platform"], Platform.IOS)


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("true", Constant(True)),
        ("!true", Constant(False)),
        ("is_prod", PROD),
        (" \t\n\r\fis_prod ", PROD),
        ("!is_prod", Not(PROD)),
        ("!!is_prod", PROD),
        ("!(!(is_prod))", PROD),
        ("is_prod == true", PROD),
        ("false != is_prod", PROD),
        ("is_prod == false", Not(PROD)),
        ("true != is_prod", Not(PROD)),
        ("!is_prod == true", Not(PROD)),
        ("is_prod == false == false", PROD),
        ("true == false", Constant(False)),
        ('platform == "ios"', IOS),
        ('"ios" == platform', IOS),
        ('(platform) == ("ios")', IOS),
        ('platform == "ios" == true', IOS),
        ('"ios" != platform == false', Not(Comparison("!=", FIELDS["platform"], Platform.IOS))),
        ('platform in ["ios", "android"]', Member(FIELDS["platform"], (Platform.IOS, Platform.ANDROID))),
        ("3 < sessions_7d", Comparison(">", FIELDS["sessions_7d"], 3)),
        ("sessions_7d <= 9223372036854775807", Comparison("<=", FIELDS["sessions_7d"], 2**63 - 1)),
        ("errors_7d in [0, 007]", Member(FIELDS["errors_7d"], (0, 7))),
        ("version_name != version_build", Comparison("!=", FIELDS["version_name"], FIELDS["version_build"])),
        (f'device_id == "{DEVICE.upper()}"', Comparison("==", FIELDS["device_id"], DEVICE)),
        ('custom_id.startsWith("a")', TextTest("startsWith", FIELDS["custom_id"], "a")),
        ('country . contains ( "" )', TextTest("contains", FIELDS["country"], "")),
        ('device_id.endsWith("7")', TextTest("endsWith", FIELDS["device_id"], "7")),
        ("bucket(100)", Bucket(100_000)),
        ("bucket(0.001)", Bucket(1)),
        ("bucket(12.5)", Bucket(12_500)),
        ("bucket(00012.050)", Bucket(12_050)),
        ('in_set("vip")', InSet("vip")),
        ('feature("a b")', UsedFeature("a b")),
        ("is_prod || is_emulator && false", AnyOf((PROD, AllOf((EMULATOR, Constant(False)))))),
        ("(is_prod || is_emulator) && false", AllOf((AnyOf((PROD, EMULATOR)), Constant(False)))),
        ("is_prod && is_emulator || false", AnyOf((AllOf((PROD, EMULATOR)), Constant(False)))),
        ("!(is_prod && is_emulator)", Not(AllOf((PROD, EMULATOR)))),
    ],
)
def test_an_expression_is_read(text, condition):
    assert parse_expression(text) == condition


@pytest.mark.parametrize(
    ("literal", "text"),
    [
        ('""', ""),
        ("''", ""),
        ('"it\'s"', "it's"),
        ("'say \"x\"'", 'say "x"'),
        (r'"\"\'\`\?\\"', "\"'`?\\"),
        (r'"\a\b\f\n\r\t\v"', "\a\b\f\n\r\t\v"),
        (r'"\x41\u00e9\U0001F600"', "Aé😀"),
        (r'"\\n"', r"\n"),
        ('"é😀\t"', "é😀\t"),
        ('"// no comment || true"', "// no comment || true"),
    ],
)
def test_a_text_stands_for_what_it_does_in_cel(literal, text):
    assert parse_expression(f"custom_id == {literal}") == Comparison("==", FIELDS["custom_id"], text)


@pytest.mark.parametrize(
    ("literal", "version"),
    [
        ("14", Version(14, 0, 0)),
        ("14.2", Version(14, 2, 0)),
        ("14.02", Version(14, 2, 0)),
        ("14.2.1", Version(14, 2, 1)),
        ("1.0.0-rc.1", parse_version("1.0.0-rc.1")),
        ("1.0.0+build", Version(1, 0, 0)),
    ],
)
@pytest.mark.parametrize("field", ["version_build", "version_name", "version_os", "plugin_version"])
def test_a_version_may_leave_out_its_last_numbers(field, literal, version):
    assert parse_expression(f'{field} >= "{literal}"') == Comparison(">=", FIELDS[field], version)
    assert parse_expression(f'{field} in ["{literal}"]') == Member(FIELDS[field], (version,))


REGEX = "regular expressions are not part of the language, because evaluating one can take too long"


@pytest.mark.parametrize(
    ("text", "column", "reason"),
    [
        # the form
        ("", 1, "the expression is empty"),
        ("  ", 1, "the expression is empty"),
        ("is_prod &&", 11, "expected a field, a function or a value, not the end"),
        ("|| is_prod", 1, "expected a field, a function or a value, not '||'"),
        ("is_prod is_prod", 9, "expected '&&', '||' or the end, not 'is_prod'"),
        ("(is_prod", 9, "expected ')', not the end"),
        ("is_prod)", 8, "expected '&&', '||' or the end, not ')'"),
        ("!", 2, "expected a field, a function or a value, not the end"),
        ("is_prod & true", 9, "'&' is not an operator; did you mean '&&'?"),
        ("is_prod | true", 9, "'|' is not an operator; did you mean '||'?"),
        ('platform = "ios"', 10, "'=' is not an operator; did you mean '=='?"),
        ("is_prod ? true : false", 9, "'?' is not part of the language"),
        ("-1 < sessions_7d", 1, "'-' is not part of the language"),
        ("// all", 1, "'/' is not part of the language"),
        ("is_prod\n&& é", 12, "'é' is not part of the language"),
        ("is_prod\0", 8, "'\\x00' is not part of the language"),
        # literals
        ('custom_id == "a', 14, "the text that starts here is not closed"),
        ('custom_id == "a\nb"', 14, "the text that starts here is not closed"),
        ('custom_id == "a\\"', 14, "the text that starts here is not closed"),
        (r'custom_id == "é\q"', 16, r"\q is not a valid escape"),
        (r'custom_id == "\101"', 15, r"\1 is not a valid escape"),
        (r'custom_id == "\x4"', 15, r"\x is not a valid escape"),
        (r'custom_id == "\ud800"', 15, r"\ud800 is not a valid escape"),
        (r'custom_id == "\U00110000"', 15, r"\U00110000 is not a valid escape"),
        ('custom_id == r"a"', 14, "unknown field 'r'"),
        ("sessions_7d > 1e3", 15, "write a number like 7 or 0.5"),
        ("sessions_7d > 0x1F", 15, "write a number like 7 or 0.5"),
        ("sessions_7d > 1.", 15, "write a number like 7 or 0.5"),
        ("sessions_7d > .5", 15, "expected a field, a function or a value, not '.'"),
        ("sessions_7d > 1.5", 15, "1.5 is not a whole number"),
        ("sessions_7d > 9223372036854775808", 15, "a number is at most 9223372036854775807"),
        # names
        ('plattform == "ios"', 1, "unknown field 'plattform'; did you mean 'platform'?"),
        ('is_prod && Platform == "ios"', 12, "unknown field 'Platform'; did you mean 'platform'?"),
        ("zzz", 1, "unknown field 'zzz'"),
        ("x" * 4096, 1, f"unknown field '{'x' * 40}'"),
        ("bucket", 1, "bucket is a function: write it like bucket(0.5)"),
        ("buckets(5)", 1, "unknown function 'buckets'; did you mean 'bucket'?"),
        ("size(custom_id) > 1", 1, "unknown function 'size'"),
        ('custom_id.startswith("a")', 11, "unknown method 'startswith'; did you mean 'startsWith'?"),
        ("custom_id.startsWith", 21, "expected '(', not the end"),
        ('custom_id."a"', 11, "expected the name of a method, not 'a'"),
        ('custom_id.matches("a+")', 11, REGEX),
        ('matches(custom_id, "a+")', 1, REGEX),
        ("custom_id == null", 14, "no field is null: an unknown value matches nothing"),
        # types
        ("platform", 1, "platform is a platform, not a condition: compare it"),
        ("!custom_id", 2, "custom_id is a text, not a condition: compare it"),
        ('is_prod || "a"', 12, "'a' is a text, not a condition: compare it"),
        ("1 && is_prod", 1, "1 is a number, not a condition: compare it"),
        ("1 == 1", 1, "a comparison needs a field on one side"),
        ('platform == "windows"', 13, "'windows' is not a platform: android, ios, electron"),
        ('platform == "iOS"', 13, "'iOS' is not a platform: android, ios, electron"),
        ('platform in ["ios", ""]', 21, "'' is not a platform: android, ios, electron"),
        ('platform < "ios"', 10, "a platform has no order: '<' cannot compare platform"),
        ("platform == is_prod", 13, "platform is a platform; is_prod is true or false"),
        ('platform.contains("i")', 10, "contains is for texts; platform is a platform"),
        ("version_os >= 14", 15, "version_os is a version; 14 is a number: write it in quotes"),
        ('version_os >= ""', 15, "'' is not a version like 14, 14.2 or 14.2.0-beta.1"),
        ('version_os >= "14.x"', 15, "'14.x' is not a version like 14, 14.2 or 14.2.0-beta.1"),
        ('version_build == "1.2.3.4"', 18, "'1.2.3.4' is not a version like 14, 14.2 or 14.2.0-beta.1"),
        ('"v1" == version_build', 1, "'v1' is not a version like 14, 14.2 or 14.2.0-beta.1"),
        ('version_name.startsWith("1.")', 14, "startsWith is for texts; version_name is a version"),
        ("version_name == custom_id", 14, "version_name is a version and custom_id is a text"),
        ('device_id == "7"', 14, "device id '7' is not a UUID"),
        ('device_id > "7"', 11, "a device id has no order: '>' cannot compare device_id"),
        ('sessions_7d == "1"', 16, "sessions_7d is a whole number; '1' is a text"),
        ("custom_id == 1", 14, "custom_id is a text; 1 is a number"),
        ("custom_id == true", 14, "custom_id is a text; true is true or false"),
        ("custom_id.startsWith(1)", 22, "startsWith takes a text in quotes, not 1"),
        ('custom_id.startsWith("a", "b")', 11, "startsWith takes one argument, not 2"),
        ("is_prod < true", 9, "true or false has no order: '<' cannot compare it"),
        ("is_prod == is_emulator", 9, "a condition can be compared only with true or false"),
        ('is_prod == "true"', 12, "'true' is a text, not a condition: compare it"),
        ("is_prod in [true]", 13, "expected a value in quotes or a number, not 'true'"),
        ('is_prod in ["true"]', 1, "'in' needs a field with a value before it, not is_prod"),
        ('"a" in ["a"]', 1, "'in' needs a field with a value before it, not 'a'"),
        ("custom_id in []", 15, "expected a value in quotes or a number, not ']'"),
        ('custom_id in ["a",]', 19, "expected a value in quotes or a number, not ']'"),
        ('custom_id in "a"', 14, "expected '[', not 'a'"),
        # functions
        ("bucket()", 8, "expected a value in quotes or a number, not ')'"),
        ("bucket(1, 2)", 1, "bucket takes one argument, not 2"),
        ('bucket("1")', 8, "bucket takes a percentage like 0.5, not '1'"),
        ("bucket(0)", 8, "a percentage must be 0.001 to 100, with at most 3 decimals"),
        ("bucket(0.0001)", 8, "a percentage must be 0.001 to 100, with at most 3 decimals"),
        ("bucket(100.001)", 8, "a percentage must be 0.001 to 100, with at most 3 decimals"),
        ("bucket(100.0000000000000000000000000000000001)", 8, "a percentage must be 0.001 to 100"),
        ("in_set(vip)", 8, "expected a value in quotes or a number, not 'vip'"),
        ("in_set(1)", 8, "in_set takes a name in quotes, not 1"),
        (
            'in_set("")',
            8,
            "invalid id set name '': use 1 to 64 letters, digits, '_', '.' and '-', starting with a letter or digit",
        ),
        ('feature("")', 9, "the name of a feature must have 1 to 64 characters"),
        (f'feature("{"a" * 65}")', 9, "the name of a feature must have 1 to 64 characters"),
    ],
)
def test_a_mistake_is_refused_at_its_column(text, column, reason):
    with pytest.raises(Invalid) as refused:
        check_expression(text)
    assert refused.value.code == "invalid_expression"
    assert refused.value.message.startswith(f"column {column}: {reason}")


def test_the_sets_that_are_asked_for():
    assert check_expression("is_prod") == frozenset()
    assert check_expression('!(in_set("a") && (in_set("b") || in_set("a")))') == {"a", "b"}


def refused_text(text):
    with pytest.raises(Invalid) as refused:
        parse_expression(text)
    return refused.value.message


def test_an_expression_of_4096_bytes_is_read_and_a_longer_one_is_not():
    text = 'custom_id == "' + "é" * 2_040 + '" '
    assert len(text.encode()) == EXPRESSION_LIMIT_BYTES
    parse_expression(text)
    assert refused_text(text + " ") == "column 2057: the expression has 4097 bytes; the limit is 4096"
    assert refused_text('custom_id == "a' + "é" * 2_050).startswith("column 2056: ")


def test_half_a_surrogate_pair_is_refused_at_its_column():
    assert refused_text('custom_id == "\ud800"') == "column 15: an unpaired surrogate is not a character"


@pytest.mark.parametrize("opening", ["(", "!(", "is_prod && (", "is_prod || !is_prod && (", "!(is_prod || "])
def test_64_levels_are_read_and_one_more_is_refused_at_its_column(opening):
    levels = opening.count("(") + opening.startswith("!")
    times = EXPRESSION_LEVELS_LIMIT // levels
    text = opening * times + "is_prod" + ")" * times
    parse_expression(text)
    column = len(opening) * times + 1
    assert refused_text(f"{opening * times}(is_prod){')' * times}").startswith(f"column {column}: more than 64 levels")


def test_nots_are_levels():
    assert parse_expression("!" * 64 + "is_prod") == PROD
    assert refused_text("!" * 65 + "is_prod") == "column 65: more than 64 levels of parentheses and '!'"


def test_levels_beside_each_other_do_not_add_up():
    parse_expression(" && ".join(["!((is_prod))"] * 200))


@pytest.mark.parametrize(
    ("link", "times"),
    [("true||", 682), ("true&&", 682), ("!is_prod||true&&", 255), ("is_prod==true!=false&&", 186)],
)
def test_a_chain_may_be_as_long_as_an_expression(link, times):
    parse_expression(link * times + "true")


def test_a_chain_of_comparisons_does_not_nest():
    assert parse_expression("is_prod" + "==false" * 584) == PROD


WORDS = [
    *FIELDS,
    *FUNCTIONS,
    *(f".{method}" for method in METHODS),
    *("true", "false", "in", "null", "(", ")", "[", "]", ",", ".", "!", "&&", "||", "==", "!=", "<=", "<", ">"),
    *('"ios"', "'14'", '"', "'", "\\", "1", "0.5", "1e9", "=", "&", "é", "\n", '"\\u00e9"', "[0]", "(1)", '("a")'),
]


@given(st.one_of(st.text(max_size=100), st.lists(st.sampled_from(WORDS), max_size=60).map(" ".join)))
@example("(" * 4096)
@example("!" * 4096)
@example("[" * 4096)
@example('"' + "\\" * 4095)
@example("'\\" * 2048)
@example("custom_id." * 409)
@example("9" * 4096)
@example("bucket(" + "9" * 4000 + ")")
@example("bucket(0." + "0" * 4000 + "1)")
@example('version_os=="' + "9" * 4000 + '"')
@example('version_os=="1.0.0-' + "0." * 2000 + '"')
@example("custom_id in [" + "''," * 1300)
def test_any_text_is_read_or_refused_at_a_column(text):
    try:
        parse_expression(text)
    except Invalid as error:
        assert error.code == "invalid_expression"
        column = int(error.message.removeprefix("column ").partition(":")[0])
        assert 1 <= column <= len(text) + 1


def test_every_example_of_the_table_is_valid():
    rows = list(language_rows())
    assert len(rows) == len(FIELDS) + len(FUNCTIONS) + len(METHODS)
    for _, _, _, example_text in rows:
        check_expression(example_text)
