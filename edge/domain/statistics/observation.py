"""What a record says about one device, with its labels: what the arithmetic of telemetry adds up.

An observation is made once, from a record that is no duplicate, and every store of figures is a sum of observations:
numbers add, steps are or-ed, first times are the least and last times the greatest. So stores merge in any order.
"""

import enum
from typing import NamedTuple


class Group(NamedTuple):
    """The labels that counts have, as of the device's latest check; "" is not known, "other" beyond a limit."""

    platform: str = ""  # "ios", "android", "electron"
    channel: str = ""
    segments: tuple[str, ...] = ()  # all that the device is in, sorted
    side: str = ""  # "<rollout id>/new", "<rollout id>/control" (held out) or "<rollout id>/rest" (not reached)
    arm: str = ""  # "<experiment id>/<arm>"
    kind: str = "device"  # "emulator"; "development" for a build that is not for production


class Cohort(NamedTuple):
    """The labels that only figures about devices have; an app has a bounded number of them."""

    group: Group = Group()
    os: str = ""  # the major version: "14"
    country: str = ""
    plugin: str = ""  # the release, "8.51.14"
    region: str = ""  # of the node that the device asks


class Step(enum.IntFlag):
    """How far a device has come with a bundle; a bit once set stays."""

    OFFERED = 1
    DOWNLOADED = 2
    INSTALLED = 4  # `set`: activated, which proves nothing
    FAILED_BOOT = 8  # update_fail, set_fail
    FAILED_INSTALL = 16  # could not be downloaded, verified or unpacked
    HEALTHY = 32  # installed and proven to start
    REVERTED = 64  # was healthy, and went back
    WORD = 128  # the device says that it runs this bundle


class Observation(NamedTuple):
    """`subject` names what is counted: a kind and a word, such as "report:set", "check:offer", "event:checkout",
    "outcome:ticket", "delivery:zip:complete", or one of our own ("heard", "session", "download", "update").

    `value` is what it measures (seconds, bytes, money), None: nothing; `n` is how often it happened. `device` is a
    `device_key`, 0 where none is known. `at_ms` is when this node received it, in milliseconds since the epoch.
    """

    at_ms: int
    app: str
    device: int
    cohort: Cohort
    bundle: str
    subject: str
    n: int = 1
    value: float | None = None
    steps: Step = Step(0)
