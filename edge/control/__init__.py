"""The API that changes things: operations and routes, tokens and roles, and the ports to the node around it."""
