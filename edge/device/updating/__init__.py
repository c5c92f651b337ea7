"""One update on a simulated device: read the answer, download, verify, decrypt, install."""
