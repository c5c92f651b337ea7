"""From files to the bytes of a bundle: compressing in a pool of processes, with a cache."""
