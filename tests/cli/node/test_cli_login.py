"""`edge login`: a token is verified, kept where nobody else reads it, and used by every verb; and a node's own token,
which appears a moment after the start."""

import stat

import msgspec
import pytest
from running_node import at_terminal, serving_node

from edge.cli.terminal.access import BEGIN_SECONDS, START_SECONDS, own_token
from edge.cli.terminal.logins import Login, Logins, server_of
from edge.domain.errors import EdgeError, Invalid

APP = "com.acme.app"


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    with serving_node(tmp_path_factory.mktemp("node")) as running:
        running.text("app", "create", APP)
        yield running


@pytest.fixture
def elsewhere(node, tmp_path):
    """The environment of somebody on another machine: no data directory, and a configuration folder of their own."""
    return {"EDGE_DATA_DIR": str(tmp_path / "nothing"), "XDG_CONFIG_HOME": str(tmp_path / "config")}


@pytest.fixture
def secret(node, request):
    name = f"t{abs(hash(request.node.name)) % 10**12}"
    return node.json("token", "create", name, "--role", "publisher", "--app", APP, "--for", "90d")["token"]


def file_of(env):
    return Logins(env).file


def test_a_token_from_a_pipe_is_kept_and_used(node, elsewhere, secret):
    text = node.text("login", node.control, env=elsewhere, input=f"{secret}\n")
    assert text.startswith(f"logged in to {node.control} as t") and f"(publisher for {APP}, until 20" in text
    file = file_of(elsewhere)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600 and stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert secret not in text and secret in file.read_text()
    assert [path.name for path in file.parent.iterdir()] == [file.name]
    assert [each["app"] for each in node.json("app", "list", env=elsewhere)] == [APP]
    assert "may not create apps: admin may" in node.failure("app", "create", "com.acme.b", env=elsewhere)
    assert "revoked" in node.failure("app", "list", env=elsewhere | {"EDGE_TOKEN": "edge_" + "A" * 43})


def test_a_token_is_typed_and_not_shown(node, elsewhere, secret):
    code, seen = at_terminal(node, "login", node.control, typed=f"{secret}\n", after="token: ", env=elsewhere)
    assert (code, "logged in to" in seen, secret in seen) == (0, True, False)
    assert Logins(elsewhere).token_for(node.control) == secret


@pytest.mark.parametrize("typed", ["edge_" + "A" * 43 + "\n", "ü\n"])
def test_a_token_that_is_not_good_is_not_kept(node, elsewhere, typed):
    node.failure("login", node.control, env=elsewhere, input=typed)
    assert not file_of(elsewhere).exists()


def test_nothing_typed_is_wrong_usage(node, elsewhere):
    assert node.run("login", node.control, env=elsewhere, input="").exit_code == 2
    assert not file_of(elsewhere).exists()


def test_logging_out_forgets_this_server_alone(node, elsewhere, secret):
    logins = Logins(elsewhere)
    logins.store("https://other.example:444/", Login(token="edge_x", name="x", expires=None))
    node.text("login", node.control, env=elsewhere, input=secret)
    assert node.text("logout", node.control, env=elsewhere).startswith(f"logged out of {node.control}")
    assert list(logins.read()) == ["https://other.example:444"]
    assert "no token is stored" in node.failure("logout", node.control, env=elsewhere)


SPELLINGS = [
    ("http://LOCALHOST:8081/", "http://localhost:8081"),
    ("https://edge.example", "https://edge.example:443"),
    ("https://edge.example:443/control/", "https://edge.example:443/control"),
    ("http://[::1]:8081", "http://[::1]:8081"),
]


@pytest.mark.parametrize(("url", "server"), SPELLINGS)
def test_a_server_has_one_spelling(url, server):
    assert server_of(url) == server


@pytest.mark.parametrize(
    ("content", "mode", "code"),
    [
        (b"{}", 0o600, "invalid_logins"),
        (b"\xff", 0o600, "invalid_logins"),
        (msgspec.json.encode({"format": 2, "servers": {}}), 0o600, "invalid_logins"),
        (msgspec.json.encode({"format": 1, "servers": {}}), 0o644, "exposed_logins"),
    ],
)
def test_an_odd_file_is_named_and_not_used(tmp_path, content, mode, code):
    logins = Logins({"XDG_CONFIG_HOME": str(tmp_path)})
    logins.file.parent.mkdir()
    logins.file.write_bytes(content)
    logins.file.chmod(mode)
    with pytest.raises(Invalid, match=str(logins.file)) as refused:
        logins.read()
    assert refused.value.code == code


def test_a_node_that_is_starting_is_waited_for(tmp_path, capsys):
    file = tmp_path / "node" / "admin.token"
    steps = iter([lambda: None, file.parent.mkdir, lambda: None, lambda: file.write_text("edge_x\n")])
    assert own_token(file, pause=lambda _: next(steps)()) == "edge_x"
    assert capsys.readouterr().err == "waiting for the node to start\n"


@pytest.mark.parametrize(
    ("has_begun", "code", "seconds"), [(True, "starting", START_SECONDS), (False, "no_token", BEGIN_SECONDS)]
)
def test_the_wait_has_an_end_that_says_what_is_missing(tmp_path, has_begun, code, seconds):
    file, waited = tmp_path / "node" / "admin.token", []
    if has_begun:
        file.parent.mkdir()
    with pytest.raises(EdgeError, match=r"admin\.token") as refused:
        own_token(file, pause=waited.append)
    assert refused.value.code == code and sum(waited) == pytest.approx(seconds, abs=0.2)
