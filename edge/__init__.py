"""An edge node for live app updates: it decides who gets which bundle and delivers the bytes."""

__version__ = "0.1.0"
