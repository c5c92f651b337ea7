"""What receivers get: the documented JSON, and chat messages in which no name mentions anybody or makes a link."""

import json

import pytest
from notices import a_notice

from edge.messages.payloads import encode_payload
from edge.messages.webhook import WebhookForm

GAP = "\u200b"


def test_the_json_form_is_this():
    notice = a_notice(
        at=1_700_000_000.5,
        app="com.acme.app",
        channel="production",
        bundle="1.2.0",
        text="14 of 96 installs failed, 9.1-23 %; threshold 2 %",
        figures={"attempts": 96, "failed": 14},
    )
    assert json.loads(encode_payload(WebhookForm.JSON, notice)) == {
        "version": 1,
        "id": "n1",
        "kind": "guard_paused",
        "at": 1_700_000_000.5,
        "app": "com.acme.app",
        "channel": "production",
        "bundle": "1.2.0",
        "title": "Paused",
        "text": "14 of 96 installs failed, 9.1-23 %; threshold 2 %",
        "figures": {"attempts": 96, "failed": 14},
    }


def test_a_chat_gets_title_and_text():
    assert json.loads(encode_payload(WebhookForm.CHAT, a_notice())) == {"text": "Paused\nIt failed."}


def test_discord_gets_them_too_and_mentions_nobody():
    assert json.loads(encode_payload(WebhookForm.DISCORD, a_notice())) == {
        "content": "Paused\nIt failed.",
        "allowed_mentions": {"parse": []},
        "flags": 4,
    }


def test_discord_gets_no_more_than_it_takes():
    said = json.loads(encode_payload(WebhookForm.DISCORD, a_notice(title="t" * 200, text="x" * 2_000)))
    assert len(said["content"]) == 2_000


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("@everyone", f"@{GAP}everyone"),
        ("@channel @here", f"@{GAP}channel @{GAP}here"),
        ("<!channel>", "‹!channel›"),
        ("<users/all>", "‹users/all›"),
        ("<https://evil|click>", f"‹https:{GAP}//evil|click›"),
        ("[click](https://evil)", f"[click]{GAP}(https:{GAP}//evil)"),
        ("www.evil.com", f"www.{GAP}evil.{GAP}com"),
        ("#general", f"#{GAP}general"),
        ("`code`", "'code'"),
        ("1.2.0", "1.2.0"),
        ("14 of 96 failed, 9.1-23 %; 2 % & more", "14 of 96 failed, 9.1-23 %; 2 % & more"),
    ],
)
def test_a_name_in_a_chat_is_text_and_nothing_else(name, shown):
    said = json.loads(encode_payload(WebhookForm.CHAT, a_notice(title=name, text="")))
    assert said == {"text": shown}
