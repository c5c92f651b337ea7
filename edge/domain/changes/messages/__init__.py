"""Messages to devices, as changes of an app."""
