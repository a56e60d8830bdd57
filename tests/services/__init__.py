"""Real servers for tests: one file a service, started on demand on a loopback port of its own.

A service that runs already is used where an environment variable names it. One that cannot be had
skips the test with its reason at home, and fails it under ``CI``.
"""
