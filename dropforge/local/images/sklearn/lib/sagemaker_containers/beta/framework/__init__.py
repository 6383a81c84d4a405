"""Responses and encoders, by the names they have in AWS's image."""

from . import content_types, encoders, errors, worker

__all__ = ["content_types", "encoders", "errors", "worker"]
