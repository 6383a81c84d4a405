"""CloudWatch finds figures by whole minutes: the time to begin at is rounded down, which ministack does not do.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricStatistics.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

_MINUTE = 60
_ASKING = ("_get_metric_statistics", "_get_metric_data")
Answer = Callable[..., Any]


def round_down() -> None:
    """Put ourselves before what answers for figures; twice is as good as once."""
    from ministack.services import cloudwatch

    def whole(given: Mapping[str, Any]) -> dict[str, Any]:
        began = given.get("StartTime")
        seconds = cloudwatch._parse_ts(began[0] if isinstance(began, list) else began)  # noqa: SLF001  any of its forms
        return {**given, **({"StartTime": seconds // _MINUTE * _MINUTE} if seconds else {})}

    def before(answer: Answer) -> Answer:
        return lambda params, given, *how: answer(whole(params), whole(given), *how)

    for name in _ASKING:
        setattr(cloudwatch, name, before(getattr(cloudwatch, name)))
