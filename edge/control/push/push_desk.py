"""What the control API needs for push providers: the credentials, and where providers are."""

from typing import NamedTuple

from edge.config import PushOptions
from edge.control.push.push_credentials import PushCredentials


class PushDesk(NamedTuple):
    """Of a node that holds the truth."""

    credentials: PushCredentials
    options: PushOptions
