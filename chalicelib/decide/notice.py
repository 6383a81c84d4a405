"""What a webhook and a topic are sent beside the text of an event of ours: a signature, and a line to sort it by."""

from __future__ import annotations

import hashlib
import hmac

SUBJECT_LIMIT = 99
"""Characters of an SNS subject: ASCII, fewer than a hundred."""


def signature(secret: bytes, body: bytes, at: float) -> str:
    """Sign a body as sent at a time: whoever verifies it takes neither another body nor an old one."""
    moment = str(int(at))
    digest = hmac.new(secret, moment.encode() + b"." + body, hashlib.sha256).hexdigest()
    return f"t={moment},v1={digest}"


def headers(event: str, body: bytes, secret: bytes, at: float) -> dict[str, str]:
    """Give what a webhook is sent with the body of an event; the event's id is the same however often it comes."""
    return {
        "Content-Type": "application/json",
        "User-Agent": "dropforge",
        "Dropforge-Event-Id": event,
        "Dropforge-Signature": signature(secret, body, at),
    }


def subject(kind: str, pipeline: str, state: str) -> str:
    """Give the subject line of a mail: whose state became what."""
    return f"{kind}: {pipeline} {state}".encode("ascii", "replace").decode()[:SUBJECT_LIMIT]
