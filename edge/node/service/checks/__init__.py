"""Update checks: the full way from a body to an answer, and the memory that spares it for questions asked before."""
