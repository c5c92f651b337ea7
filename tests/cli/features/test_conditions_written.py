"""What people write of a feature on the command line, read as the control API takes it."""

import click
import msgspec
import pytest

from edge.cli.features.conditions import parse_arm, parse_prerequisite, parse_rule, parse_share_value, parse_value


def plain(given):
    return {key: bytes(value).decode() if isinstance(value, msgspec.Raw) else value for key, value in given.items()}


@pytest.mark.parametrize(
    ("kind", "written", "read"),
    [
        ("boolean", "beta => true", {"segment": "beta", "value": "true"}),
        ("boolean", "is_prod => true", {"where": "is_prod", "value": "true"}),
        ("boolean", "true => true", {"where": "true", "value": "true"}),
        ("integer", "beta @ 12.5% => 3", {"segment": "beta", "share": "12.5%", "value": "3"}),
        ("float", "slow: beta @ 5 => 3", {"name": "slow", "segment": "beta", "share": "5", "value": "3"}),
        ("string", "beta => blue", {"segment": "beta", "value": '"blue"'}),
        ("string", 'beta => "blue"', {"segment": "beta", "value": '"blue"'}),
        ("string", "beta => 3", {"segment": "beta", "value": '"3"'}),
        ("json", 'beta => {"a": "=>"}', {"segment": "beta", "value": '{"a": "=>"}'}),
        (
            "boolean",
            'platform == "ios" && version_os >= "14" => true',
            {"where": 'platform == "ios" && version_os >= "14"', "value": "true"},
        ),
        ("boolean", 'custom_id == "a => b" => false', {"where": 'custom_id == "a => b"', "value": "false"}),
        ("boolean", 'custom_id == "x: y @ 5%" => false', {"where": 'custom_id == "x: y @ 5%"', "value": "false"}),
        (
            "boolean",
            "qa: custom_id in ['a', 'b'] => true",
            {"name": "qa", "where": "custom_id in ['a', 'b']", "value": "true"},
        ),
    ],
)
def test_a_rule_is_read_as_it_is_written(kind, written, read):
    assert plain(parse_rule(kind, written)) == read


@pytest.mark.parametrize("written", ["beta", "=> true", "beta =>", "beta => blue", 'custom_id == "a => true'])
def test_what_is_no_rule_is_refused(written):
    with pytest.raises(click.UsageError):
        parse_rule("boolean", written)


def test_shares_prerequisites_and_arms_are_read():
    assert plain(parse_share_value("boolean", "10% => true")) == {"share": "10%", "value": "true"}
    assert plain(parse_prerequisite("speed=fast", lambda name: "string")) == {"feature": "speed", "value": '"fast"'}
    assert parse_prerequisite("speed", lambda name: "string") == {"feature": "speed"}
    assert plain(parse_arm("json", 'new={"a":1}:12.5')) == {"name": "new", "value": '{"a":1}', "share": "12.5"}
    with pytest.raises(click.UsageError):
        parse_arm("boolean", "new=true")


def test_a_number_is_kept_as_it_is_written():
    assert bytes(parse_value("float", "1")) == b"1" and bytes(parse_value("float", "1.0")) == b"1.0"
