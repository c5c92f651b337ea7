"""The one zip form that devices unpack: written here, and read back trusting nothing it declares."""
