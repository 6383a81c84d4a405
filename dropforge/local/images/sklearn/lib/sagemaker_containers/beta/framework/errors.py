"""Mistakes of the client, with the status that the server answers."""

from __future__ import annotations


class ClientError(Exception):
    """The request cannot be served as it is."""

    status = 400


class UnsupportedFormatError(ClientError):
    """Neither read nor written by the image itself; an input_fn or output_fn can do it."""

    status = 415

    def __init__(self, content_type: str) -> None:
        super().__init__(f"Content type {content_type} is not supported by this framework.")
