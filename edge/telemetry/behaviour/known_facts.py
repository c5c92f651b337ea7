"""Everything that is known of a device, from both tables: its facts, and how it is used."""

from pathlib import Path

from edge.domain.facts import NOT_JUDGED, DeviceFacts
from edge.facts.table import FactsTable
from edge.telemetry.behaviour.table import BehaviourTable


class KnownFacts:
    """Reads memory; opens nothing yet."""

    def __init__(self, facts_table: Path, behaviour_table: Path) -> None:
        self._facts = FactsTable(facts_table)
        self._behaviour = BehaviourTable(behaviour_table)

    def look_up(self, app: str, device: str) -> DeviceFacts:
        """NO_FACTS for a device that is not known."""
        return with_behaviour(self._facts.look_up(app, device), self._behaviour, f"{app}\0{device}".encode())

    def close(self) -> None:
        """Unmap the tables."""
        self._facts.close()
        self._behaviour.close()


def with_behaviour(facts: DeviceFacts, table: BehaviourTable, name: bytes) -> DeviceFacts:
    """With how the device is used; `facts` itself if it was never judged. `name` is the app and the device with a zero
    between them."""
    found = table.look_up_name(name)
    return facts if found is NOT_JUDGED else facts._replace(behaviour=found)
