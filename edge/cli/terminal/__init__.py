"""What all verbs share: options, the client of the control API, stored logins, confirmation and output."""
