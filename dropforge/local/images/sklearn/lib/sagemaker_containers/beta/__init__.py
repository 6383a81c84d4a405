"""The path by which scripts know it."""
