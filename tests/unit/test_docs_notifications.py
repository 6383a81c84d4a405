"""What docs/howto/notifications.md tells users to write, does what it says."""

from __future__ import annotations

import json
import time
from typing import Any

from chalicelib.decide.notice import headers
from chalicelib.settings import Settings
from tests.unit.docs import ROOT, blocks
from tests.unit.test_settings import ENV

PAGE = ROOT / "docs" / "howto" / "notifications.md"
BODY = '{"detail": {"id": "e1", "reason": "naïve"}}'.encode()


def is_ours(secret: str, signature: str, body: bytes, **more: Any) -> bool:
    """Run the page's own code."""
    (block,) = blocks("python", PAGE)
    names: dict[str, Any] = {}
    exec(compile(block.text, str(PAGE), "exec"), names)  # noqa: S102 -- the page's own code
    return bool(names["is_ours"](secret, signature, body, **more))


def signed(at: float, key: str = "hush", body: bytes = BODY) -> str:
    return headers("e1", body, key.encode(), at)["Dropforge-Signature"]


def test_the_code_takes_what_was_signed_just_now() -> None:
    assert is_ours("hush", signed(time.time()), BODY)


def test_the_code_takes_nothing_else() -> None:
    now = time.time()
    assert not is_ours("hush", signed(now, key="other"), BODY)
    assert not is_ours("hush", signed(now), BODY + b" ")
    assert not is_ours("hush", signed(now - 301), BODY)
    assert not is_ours("hush", signed(now).replace("t=", "t=1"), BODY)
    assert not is_ours("hush", "", BODY)
    assert not is_ours("hush", "nonsense", BODY)


def test_the_settings_are_taken_as_they_stand_on_the_page() -> None:
    block = next(block for block in blocks("json", PAGE))
    settings = Settings.from_env({**ENV, **json.loads(block.text)})
    assert settings.topic
    assert settings.webhook
    assert settings.webhook_secret
