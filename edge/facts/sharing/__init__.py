"""What of device facts all nodes are to know: kept by name, since every node's table has keys of its own."""
