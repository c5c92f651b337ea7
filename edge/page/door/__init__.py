"""Who may look and act: sessions, one-time links, tokens of forms, hosts and origins."""
