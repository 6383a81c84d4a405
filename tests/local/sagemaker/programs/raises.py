"""Fails as most scripts do."""

raise ValueError("no such column: seven")
