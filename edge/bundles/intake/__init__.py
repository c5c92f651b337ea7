"""Taking in what somebody wants to publish: read, checked and packed, for the command line and for the page alike."""
