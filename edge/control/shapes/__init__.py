"""The request bodies and answers of the control API, by topic."""
