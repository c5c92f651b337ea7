"""Webhooks: what is refused, who gets a notice, and that only this user reads the secrets."""

import stat
import threading

import pytest
from notices import a_notice

from edge.domain.errors import Conflict, EdgeError, Invalid, NotFound, Unavailable
from edge.messages.notice import NoticeKind
from edge.messages.webhook import APPS_LIMIT, URL_LIMIT, WEBHOOK_LIMIT, WebhookForm, shown_url
from edge.messages.webhooks import Webhooks

URL = "https://hooks.example.com/services/T0/B0/secret"


@pytest.fixture
def webhooks(tmp_path):
    return Webhooks(tmp_path / "webhooks.json")


def add(webhooks, name="ops", url=URL, *, apps=(), kinds=(), by="root", command=""):
    return webhooks.add(name, url, WebhookForm.JSON, apps, kinds, by=by, now=1.0, command=command or f"c-{name}")


@pytest.mark.parametrize(
    "url",
    [
        *("", "hooks.example.com", "ftp://example.com", "https://", "https:///path", "file:///etc/passwd"),
        *("http://hooks.example.com/x", "https://user@example.com/", "https://u:p@example.com/"),
        *("https://example.com/#part", "https://example.com/a b", "https://exämple.com/", "https://example.com/\n"),
        *("https://example.com:0/", "https://example.com:99999/", "https://[::1/", "https://[fe80::1%25eth0]/"),
        *("https://exa\u0000mple.com/", "https://example.com\\@evil.com/", f"https://example.com/{'a' * URL_LIMIT}"),
    ],
)
def test_an_address_that_is_none_is_refused(webhooks, url):
    with pytest.raises(Invalid) as refused:
        add(webhooks, url=url)
    assert refused.value.code == "invalid_webhook_url"
    assert webhooks.records() == []


def test_a_refusal_does_not_repeat_the_address(webhooks):
    with pytest.raises(Invalid) as refused:
        add(webhooks, url="https://user:password@chat.test/T0/secret")
    assert not any(part in refused.value.message for part in ("password", "chat.test", "secret"))


def test_http_is_for_those_who_allow_it(tmp_path):
    allowing = Webhooks(tmp_path / "webhooks.json", allow_http=True)
    assert add(allowing, url="http://10.0.0.7:8080/x").url == "http://10.0.0.7:8080/x"


@pytest.mark.parametrize("name", ["", "a/b", "ü", "-a", "a" * 65, ".."])
def test_a_bad_name_is_refused(webhooks, name):
    with pytest.raises(Invalid, match="invalid webhook name"):
        add(webhooks, name)


def test_filters_are_checked(webhooks):
    with pytest.raises(EdgeError, match="app"):
        add(webhooks, apps=["not an app"])
    with pytest.raises(Invalid, match="or all"):
        add(webhooks, apps=[f"com.acme.a{number}" for number in range(APPS_LIMIT + 1)])


def test_a_notice_goes_to_whoever_wants_it(webhooks):
    everything = add(webhooks, "everything")
    of_app = add(webhooks, "app", apps=["com.acme.app"])
    alarms = add(webhooks, "alarms", kinds=[NoticeKind.GUARD_ALARM, NoticeKind.RELEASE_SILENT])
    paused = a_notice(app="com.acme.app")
    assert webhooks.receivers_of(paused) == [everything.id, of_app.id]
    assert webhooks.receivers_of(a_notice(app="com.other", kind=NoticeKind.GUARD_ALARM)) == [everything.id, alarms.id]


def test_an_address_is_shown_without_its_path():
    assert shown_url(URL) == "https://hooks.example.com/…"


def test_only_this_user_reads_the_secrets(tmp_path, webhooks):
    made = add(webhooks)
    file = tmp_path / "webhooks.json"
    assert made.secret in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_repeated_command_replaces_the_secret_and_another_one_is_refused(webhooks):
    first = add(webhooks, command="c1")
    second = add(webhooks, command="c1")
    assert first.secret != second.secret and [each.secret for each in webhooks.records()] == [second.secret]
    with pytest.raises(Conflict, match="already exists"):
        add(webhooks, command="c2")
    with pytest.raises(Conflict, match="first used"):
        add(webhooks, "other", command="c1")


def test_another_with_the_name_of_a_removed_one_is_another_webhook(webhooks):
    gone = add(webhooks, command="c1")
    assert webhooks.remove("ops") == gone
    assert add(webhooks, command="c2").id != gone.id
    with pytest.raises(NotFound):
        webhooks.remove("nobody")


def test_their_number_is_limited(webhooks):
    for number in range(WEBHOOK_LIMIT):
        add(webhooks, f"w{number}")
    with pytest.raises(Conflict, match="limit"):
        add(webhooks, "one-more")


def test_changes_of_several_processes_are_all_there(tmp_path):
    def work(name):
        add(Webhooks(tmp_path / "webhooks.json"), name)

    threads = [threading.Thread(target=work, args=(f"w{number}",)) for number in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(Webhooks(tmp_path / "webhooks.json").records()) == 8


@pytest.mark.parametrize("content", [b"", b"{", b'{"format": 1}', b"\xff"])
def test_a_damaged_file_is_set_aside_and_said_so(tmp_path, webhooks, caplog, content):
    (tmp_path / "webhooks.json").write_bytes(content)
    assert webhooks.records() == []
    assert "no notice is sent until webhooks are added again" in caplog.text
    assert (tmp_path / "webhooks.json.damaged").read_bytes() == content


def test_a_file_of_a_newer_release_is_left_alone(tmp_path, webhooks):
    (tmp_path / "webhooks.json").write_bytes(b'{"format": 2, "webhooks": []}')
    with pytest.raises(Unavailable, match="upgrade"):
        add(webhooks)
    assert (tmp_path / "webhooks.json").read_bytes() == b'{"format": 2, "webhooks": []}'
