"""Messages to devices: the list, and one of them."""
