"""What is known of single devices: one writer, one memory-mapped table that every worker reads."""
