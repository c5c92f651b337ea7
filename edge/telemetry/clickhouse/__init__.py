"""Telemetry beyond one machine: figures kept and asked in ClickHouse."""
