"""A world to try things in: it reads what is really there, and keeps to itself whatever is written."""

from chalicelib.simulated.journal import Act, Change, Journal, Line, SimulationEnd
from chalicelib.simulated.world import SimulatedWorld

__all__ = ["Act", "Change", "Journal", "Line", "SimulatedWorld", "SimulationEnd"]
