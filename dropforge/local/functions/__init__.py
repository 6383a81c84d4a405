"""Runs a stack's functions and delivers events to them as Lambda does."""
