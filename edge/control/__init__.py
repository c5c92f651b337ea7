"""The API that changes things: routes, tokens and roles."""
