"""The device simulator: behaves as a named plugin release does, and refuses what it refuses."""
