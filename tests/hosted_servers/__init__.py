"""Servers as people write them against the official SDK; nothing in them knows of Parlour."""
