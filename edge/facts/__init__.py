"""Per-device state: one writer, and one memory-mapped table that every worker reads."""
