"""`edge webhook` on a real node: added, tried out, listed, removed; inside addresses are out of reach by default."""

import json

SECRET_URL = "https://hooks.example.com/services/T0/secret"


def test_a_webhook_from_its_start_to_its_end(node):
    made = node.text("webhook", "add", "ops", SECRET_URL, "--form", "chat", "--kind", "guard_paused")
    secret = made.splitlines()[-1]
    assert secret.startswith("whsec_")
    listed = node.text("webhook", "list")
    assert "https://hooks.example.com/…" in listed and "guard_paused" in listed
    assert "secret" not in listed and secret not in listed
    assert node.text("webhook", "deliveries", "ops").strip() == "no notice was for it yet; tests are not listed"
    assert node.text("webhook", "remove", "ops").strip() == "removed webhook ops"
    assert node.json("webhook", "list") == []


def test_a_receiver_inside_is_refused_and_the_reason_is_said(node):
    node.json("webhook", "add", "inside", "https://127.0.0.1:9/")
    done = node.run("webhook", "test", "inside", "--json")
    tested = json.loads(done.stdout)
    assert (done.exit_code, tested["delivered"], tested["status"]) == (1, False, 0)
    assert "127.0.0.1 is not on the public internet" in tested["fault"]
    node.json("webhook", "remove", "inside")


def test_plain_http_is_refused(node):
    assert "is not https" in node.failure("webhook", "add", "plain", "http://hooks.example.com/")
