"""Numbers, times and sentences as the page writes them. Pure."""
