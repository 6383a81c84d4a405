"""What is text: JSON may escape half a character, which nothing can store or send."""

from __future__ import annotations

import json


def is_text(said: object) -> bool:
    """Tell whether all text of a JSON value, its keys too, can be written as UTF-8."""
    try:
        json.dumps(said, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True
