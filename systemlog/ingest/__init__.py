"""Records from outside: validation of what arrives over HTTP or from files."""
