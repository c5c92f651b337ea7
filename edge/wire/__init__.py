"""The device protocol: bytes to values and back, without I/O. Imports domain only."""
