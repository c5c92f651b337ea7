"""Who may do what: organisations, people, roles, tokens."""
