"""The routes of both doors; what they share stands in door.py, query.py and bodies.py."""
