"""`edge org`, `edge person`, `edge role`, `edge token` and `edge whoami` on a real node."""

import os

import pytest

APP, OTHER = "com.people.app", "com.people.other"


@pytest.fixture(scope="module", autouse=True)
def acme(node):
    """Organisation acme owns APP; OTHER is nobody's."""
    node.text("app", "create", OTHER)
    node.text("org", "create", "acme")
    node.text("app", "create", APP)
    node.text("org", "own", "acme", APP)
    node.text("app", "create", "com.people.third", "--org", "acme")
    for app in (APP, OTHER):
        for channel in ("production", "beta"):
            node.text("channel", "create", app, channel)


def as_token(node, *args, role, **options):
    """What the command prints, as a token of this role; it is revoked again."""
    flags = [text for name, value in options.items() for text in (f"--{name.rstrip('_')}", value)]
    secret = node.json("token", "create", "someone", "--role", role, *flags)["token"]
    try:
        return node.run(*args, "--token", secret)
    finally:
        node.run("token", "revoke", "someone")


def test_organisations_own_apps(node):
    (row,) = [each for each in node.json("org", "list") if each["name"] == "acme"]
    assert row["apps"] == [APP, "com.people.third"]
    assert "all that no other owns" in node.text("org", "list")
    assert "owns 2 app(s)" in node.failure("org", "delete", "acme")
    assert "unknown organisation" in node.failure("org", "show", "none")
    assert node.text("org", "create", "gone").startswith("created organisation gone")
    assert node.text("org", "delete", "gone").strip() == "deleted organisation gone"


def test_people_hold_roles(node):
    added = node.text("person", "add", "Anna@example.com", "--name", "Anna", "--role", "viewer", "--org", "acme")
    assert added.strip() == "added anna@example.com: viewer of organisation acme"
    node.text("person", "grant", "anna@example.com", "releaser", "--app", APP, "--channel", "production")
    shown = node.text("person", "show", "anna@example.com")
    assert f"releaser of channel production of app {APP}" in shown and "by admin" in shown
    typo = node.run("person", "grant", "anna@example.com", "viewer", "--app", f"{APP}.typo")
    assert f"there is no app {APP}.typo here" in typo.stderr
    node.text("person", "revoke", "anna@example.com", "viewer", "--app", f"{APP}.typo")
    assert "anna@example.com" in node.text("org", "show", "acme") and "Anna" in node.text("person", "list")
    assert "give exactly one --app" in node.run("person", "grant", "a@b", "viewer", "--channel", "x").stderr
    left = node.text("person", "revoke", "anna@example.com", "viewer", "--org", "acme")
    assert left.strip() == f"anna@example.com: releaser of channel production of app {APP}"
    assert "does not hold" in node.failure("person", "revoke", "anna@example.com", "viewer")
    assert node.text("person", "remove", "anna@example.com").strip() == "removed anna@example.com"


def test_groups_are_mapped(node):
    node.text("person", "map", "dev team", "developer", "--org", "acme")
    assert "developer of organisation acme" in node.text("person", "groups")
    assert "no role left" in node.text("person", "unmap", "dev team", "developer", "--org", "acme")


def test_own_roles(node):
    made = node.text("role", "set", "on-call", "--permission", "roll_back", "--permission", "read_app")
    assert made.strip() == "role on-call: read_app, roll_back"
    assert "roll back or withdraw" in node.text("role", "show", "on-call")
    listed = node.json("role", "list")
    assert {each["name"] for each in listed["roles"]} >= {"admin", "viewer", "on-call"}
    assert "change_channels" in node.text("role", "list")
    assert "cannot be changed" in node.failure("role", "set", "admin", "--permission", "read_app")
    node.text("token", "create", "pager", "--role", "on-call", "--app", APP)
    assert "that of tokens" in node.failure("role", "delete", "on-call")
    node.text("token", "revoke", "pager")
    node.text("role", "delete", "on-call")


def test_a_token_of_one_channel_reaches_no_other(node):
    where = {"role": "releaser", "app": APP, "channel": "beta"}
    assert as_token(node, "channel", "set", APP, "beta", "--no-ios", **where).exit_code == 0
    for words in (
        ("channel", "set", APP, "production", "--no-ios"),
        ("channel", "set", OTHER, "beta", "--no-ios"),
        ("channel", "set", APP, "beta", "--self-set"),
        ("channel", "create", APP, "more"),
        ("override", "set", APP, "00009a6b-eefe-490a-9c60-8e965132ae51", "beta"),
    ):
        done = as_token(node, *words, **where)
        assert done.exit_code == 1 and "may not" in done.stderr, words
    done = as_token(node, "channel", "list", APP, **where)
    assert "production" in done.stdout


def test_whoami_says_what_one_may_do(node):
    done = as_token(node, "whoami", role="developer", org="acme")
    assert "developer of organisation acme may:" in done.stdout and "change test channels" in done.stdout
    assert "of everything may:" in node.text("whoami")


def test_a_token_is_rotated_with_overlap(node):
    former = node.json("token", "create", "ci", "--role", "uploader", "--app", APP, "--for", "90d")["token"]
    made = node.run("token", "rotate", "ci", "--keep", "24h")
    latest = made.stdout.strip()
    assert latest != former and "the former one works until" in made.stderr
    for secret in (former, latest):
        assert "ci" in node.text("whoami", "--token", secret)
    node.text("token", "rotate", "ci", "--keep", "0s")
    for secret in (former, latest):
        assert "unknown or revoked token" in node.failure("whoami", "--token", secret)
    assert "uploader" in node.text("token", "list")
    node.text("token", "revoke", "ci")


def test_a_token_works_from_its_networks_alone(node):
    near = node.json("token", "create", "near", "--role", "viewer", "--from", "127.0.0.0/8")["token"]
    far = node.json("token", "create", "far", "--role", "viewer", "--from", "10.0.0.0/8")["token"]
    assert "near" in node.text("whoami", "--token", near)
    assert "may not be used from 127.0.0.1" in node.failure("whoami", "--token", far)
    assert "127.0.0.0/8" in node.text("token", "list")
    assert "is no address or network" in node.failure("token", "create", "x", "--role", "viewer", "--from", os.sep)
    node.text("token", "revoke", "near")
    node.text("token", "revoke", "far")


def test_an_admin_of_an_organisation_creates_apps_and_tokens_there(node):
    boss = node.json("token", "create", "boss", "--role", "admin", "--org", "acme")["token"]
    new = "com.people.new"
    node.text("app", "create", new, "--token", boss)
    (row,) = node.json("org", "list", "--token", boss)
    assert row["name"] == "acme" and new in row["apps"]
    assert {each["app"] for each in node.json("app", "list", "--token", boss)} == {APP, "com.people.third", new}
    node.text("token", "create", "upload", "--role", "uploader", "--app", new, "--token", boss)
    for words in (
        ("token", "create", "x", "--role", "viewer"),
        ("token", "create", "x", "--role", "viewer", "--app", OTHER),
        ("token", "create", "x", "--role", "node"),
        ("token", "revoke", "admin"),
        ("token", "rotate", "admin"),
        ("org", "own", "acme", OTHER),
        ("app", "delete", OTHER, "--yes"),
        ("person", "add", "x@example.com", "--role", "admin"),
    ):
        assert "may not" in node.failure(*words, "--token", boss), words
    assert [each["name"] for each in node.json("token", "list", "--token", boss)] == ["boss", "upload"]
    for name in ("upload", "boss"):
        node.text("token", "revoke", name)
