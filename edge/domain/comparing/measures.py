"""What is counted of an experiment's arms, as values."""

import msgspec


class ArmMeasure(msgspec.Struct, frozen=True, kw_only=True):
    """One measure of one arm, a number for each device: how many devices are in the arm, how many have a number above
    0, and the sums of the numbers and of their squares."""

    arm: str
    devices: int
    having: int
    total: float
    squares: float
