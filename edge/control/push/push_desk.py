"""What the control API needs for push providers: the credentials, where providers are, how a device is reached."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from edge.config import PushOptions
from edge.control.push.push_credentials import PushCredentials
from edge.domain.pushing.payload import PushTarget


class PushDesk(NamedTuple):
    """Of a node that holds the truth. `targets_of` has an app's device as it is registered; it blocks."""

    credentials: PushCredentials
    options: PushOptions
    targets_of: Callable[[str, str], Sequence[PushTarget]]
