"""How one process of a node follows another without a refused connection: inherited sockets, one writer at a time."""
