"""Messages to devices: who gets one, when, and what it changed. Pure."""
