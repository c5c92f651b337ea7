"""The emulated wide-area link, what runs at each end of it, and the report."""
