"""Where things are, for tests at any depth."""

from pathlib import Path

WORLDS = Path(__file__).parent
TESTS = WORLDS.parent
ROOT = TESTS.parent
VECTORS = TESTS / "vectors"
