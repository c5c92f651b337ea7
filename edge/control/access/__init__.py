"""Who may do what: tokens, and the one table of roles and permissions."""
