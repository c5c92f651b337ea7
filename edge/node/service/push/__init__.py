"""Devices that register for messages."""
