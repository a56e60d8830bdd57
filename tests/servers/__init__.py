"""Real servers that the tests talk to over sockets."""
