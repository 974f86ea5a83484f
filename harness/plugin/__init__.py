"""Hooks, the registry that finds what plugins offer, and how a part is spelt."""
