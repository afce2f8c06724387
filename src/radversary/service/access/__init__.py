"""Who may do what: keys with scopes, and sessions in a browser."""
