"""Providers on their doubles: everything a test needs to send."""

from dataclasses import dataclass, replace

from push.apns_double import KEY_ID, TEAM, TOPIC, ApnsDouble

from edge.domain.pushing.payload import PushPayload
from edge.messages.addresses import parse_networks
from edge.push.providers.credentials import ApnsCredentials, parse_apns_key
from edge.push.providers.posting import PostingRules

LOCAL = parse_networks(["127.0.0.1", "::1"])
MESSAGE = PushPayload(message_id="m1", title="Hello", body="Text", data={"screen": "offers"})
SILENT = PushPayload(message_id="m2", silent=True)


@dataclass
class Clock:
    """Of the node and of the doubles."""

    now: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def local_rules(ca_file: str = "", **more) -> PostingRules:
    return PostingRules(LOCAL, ca_file, **more)


def apns_credentials(double: ApnsDouble, **more) -> ApnsCredentials:
    asked = {"key_id": KEY_ID, "team": TEAM, "topic": TOPIC, "sandbox": False}
    return parse_apns_key(double.p8, **(asked | more))


def a_message(**changes) -> PushPayload:
    return replace(MESSAGE, **changes)
