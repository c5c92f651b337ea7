"""The web page on the control port."""
