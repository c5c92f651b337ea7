"""Changes that wait for approval, on the page."""
