"""Devices that take messages: registering, leaving, and saying that one was opened."""
