"""How people sign in, as a node of each role has it."""
