"""The quick look at a request takes nothing that botocore itself would not take."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.validate import ParamValidator

from tests.proof.cloud.requests import shapes
from tests.proof.cloud.sound import sound
from tests.proof.prove import calls_of
from tests.proof.stories import SECOND

SPOILT: tuple[Any, ...] = (None, 7, "", b"", [], {}, True, {"S": 7}, {"surplus": "x"}, {"S": "a", "N": "1"})


def _variants(value: Any) -> list[Any]:
    """Spoil each part of a request, one at a time."""
    if isinstance(value, dict):
        parts = [{**value, key: other} for key, part in value.items() for other in _variants(part)]
        less = [{name: part for name, part in value.items() if name != key} for key in value]
        return [*parts, *less, {**value, "surplus": "x"}, *SPOILT]
    if isinstance(value, list):
        return [*([*value[:at], other] for at, part in enumerate(value) for other in _variants(part)), *SPOILT]
    return list(SPOILT)


@pytest.fixture(scope="module")
def requests() -> dict[str, tuple[Any, dict[str, Any]]]:
    """One request of each kind that a whole story makes."""
    return {str(call): (shapes(call.service)[call.method][0], call.asked) for call in calls_of(SECOND)}


def test_nearly_every_request_of_a_story_is_sound_at_a_quick_look(
    requests: dict[str, tuple[Any, dict[str, Any]]],
) -> None:
    doubted = [name for name, (shape, asked) in requests.items() if not sound(shape)(asked)]
    assert doubted == ["events.put_events"], "times are left to botocore"


def test_no_spoilt_request_passes_the_quick_look_that_botocore_would_not_take(
    requests: dict[str, tuple[Any, dict[str, Any]]],
) -> None:
    refused = 0
    for name, (shape, asked) in requests.items():
        look = sound(shape)
        for spoilt in _variants(asked):
            if ParamValidator().validate(spoilt, shape).has_errors():
                refused += 1
                assert not look(spoilt), f"{name}: {spoilt}"
    assert refused > 1000
