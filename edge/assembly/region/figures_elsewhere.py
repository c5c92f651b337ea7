"""The figures of a node that counts nothing: whoever asks is told where they are counted."""

import time
from collections import Counter
from typing import NoReturn, TypeVar

from edge.assembly.counting.messages import FoldCondition
from edge.control.shapes.apps import AppStats
from edge.control.shapes.devices import RawErasedView
from edge.control.shapes.figures.audit import AuditView
from edge.domain.model import AppId, DeviceId
from edge.regions.following.followed_releases import elsewhere
from edge.telemetry.spool.app_records import KnownOutcomes, Outcomes

T = TypeVar("T")


class FiguresElsewhere:
    """The telemetry port of the control API; `home` is the address of the node that counts. Its condition is that of a
    node which has nothing to count."""

    is_up = True
    restarts = 0
    set_aside = 0

    def __init__(self, home: str) -> None:
        self.asked = Counter[str]()
        self._home = home

    @property
    def condition(self) -> FoldCondition:
        return FoldCondition(time.time(), 0, 0, {})

    def counted_until(self, now: float) -> float:
        return now

    async def stats(self, app: AppId) -> AppStats:
        self._refuse()

    async def ask(self, question: str, parameters: object, answer: type[T]) -> T:
        self._refuse()

    async def erase(self, app: AppId, device: DeviceId) -> RawErasedView | None:
        self._refuse()

    async def known_outcomes(self, stated: Outcomes) -> KnownOutcomes | None:
        self._refuse()

    async def audit(self) -> AuditView:
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise elsewhere("figures are counted", self._home)
