"""From files to the bytes of a bundle: compressed, remembered, in a pool of processes."""
