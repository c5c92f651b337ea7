"""What all verbs share: options, the client of the control port, stored logins, and output."""
