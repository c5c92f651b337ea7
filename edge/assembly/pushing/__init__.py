"""The process that sends messages to devices."""
