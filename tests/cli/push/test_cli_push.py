"""`edge push credentials` and `edge push test` against a running node: what is shown, what is not, what is refused."""

import json

from push.fcm_double import FcmDouble
from running_node import app_name

ACCOUNT = FcmDouble().account | {"token_uri": "https://oauth2.googleapis.com/token"}


def test_an_operator_sets_lists_and_removes_credentials(node, tmp_path, request):
    app = app_name(request)
    node.text("app", "create", app)
    key = tmp_path / "account.json"
    key.write_text(json.dumps(ACCOUNT))
    assert node.text("push", "credentials", "set", app, "fcm", key) == ""
    address = tmp_path / "address"
    address.write_text("https://push.example.com/secret-path\n")
    public = node.text("push", "credentials", "set", app, "webpush", "--subject", "mailto:push@example.com").strip()
    secret = node.text("push", "credentials", "set", app, "webhook", f"@{address}").strip()
    assert len(public) == 87 and secret.startswith("whsec_")
    shown = node.text("push", "credentials", "list", app)
    assert "project example-project" in shown and "subject mailto:push@example.com" in shown
    assert secret not in shown and "secret-path" not in shown and "PRIVATE" not in shown
    listed = node.json("push", "credentials", "list", app)
    assert {each["sealed_with"] for each in listed} == {node.json("secrets", "show")["keys"][0]}
    assert listed[2]["shown"]["public_key"] == public
    assert "only a browser" in node.text("push", "credentials", "test", app, "webpush")
    assert node.text("push", "credentials", "remove", app, "fcm") == f"removed: fcm of {app}\n"
    assert "no credentials for fcm" in node.failure("push", "credentials", "remove", app, "fcm")
    assert "no credentials for fcm" in node.failure("push", "test", app, "--provider", "fcm", "--to", "device:1")


def test_what_a_provider_lacks_or_does_not_take_is_said(node, tmp_path, request):
    app = app_name(request)
    node.text("app", "create", app)
    for words, said in (
        (("fcm",), "fcm needs the service account's FILE"),
        (("apns", "--key-id", "ABC123DEFG"), "apns needs --key"),
        (("webpush", "somewhere"), "webpush takes no file and no URL"),
        (("webpush", "--subject", "mailto:a@example.com", "--sandbox"), "--sandbox is not for webpush"),
    ):
        done = node.run("push", "credentials", "set", app, *words)
        assert done.exit_code == 2 and said in done.output
    wrong = tmp_path / "wrong.json"
    wrong.write_text("{}")
    assert "not a service account" in node.failure("push", "credentials", "set", app, "fcm", wrong)
    assert "http" in node.failure("push", "credentials", "set", app, "webhook", "http://push.example.com/")
    assert "is not hexadecimal" in node.failure("push", "test", app, "--provider", "apns", "--to", "xyz")
    assert "not registered for messages" in node.failure("push", "test", app, "00009a6b-eefe-490a-9c60-8e965132ae51")
    assert node.run("push", "test", app).exit_code == 2
