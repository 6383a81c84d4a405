"""What holds for every test."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# Nothing is timed: a machine that is busy with something else makes no test fail.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")
