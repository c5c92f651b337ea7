"""The bodies that the control API takes and the answers that it gives, by topic."""
