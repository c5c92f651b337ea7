"""What an app's code asks for by name: typed values, chosen by segment, share and version. Pure."""
