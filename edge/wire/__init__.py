"""Bytes to values and back for devices: the plugin's protocol, sans-I/O. Imports domain only."""
