"""How people sign in: passwords, passkeys, OpenID Connect, invitations, and what is kept of them."""
