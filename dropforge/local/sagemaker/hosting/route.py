"""Which servers answer for an endpoint now, while one fleet takes over from another."""

from __future__ import annotations

from dataclasses import dataclass

from dropforge.local.sagemaker.hosting.fleet import Fleet, NobodyError
from dropforge.local.sagemaker.hosting.serving import Server


@dataclass(frozen=True, slots=True)
class Route:
    """`first` gets a share of the requests, `second` the rest; who has nobody able lets the other answer."""

    first: Fleet
    second: Fleet | None = None
    share: float = 1.0

    def fleets(self) -> list[Fleet]:
        return [self.first] if self.second is None else [self.first, self.second]

    def variants(self) -> set[str]:
        return {name for fleet in self.fleets() for name in fleet.variants()}

    def take(self, variant: str | None) -> tuple[Fleet, Server]:
        """Choose a server; `give_back` of its fleet must follow. NobodyError when there is none."""
        fleets = self.fleets()
        if self.second is not None and self.first.chance.random() >= self.share:
            fleets.reverse()
        for fleet in fleets:
            try:
                return fleet, fleet.take(variant)
            except NobodyError:
                continue
        raise NobodyError
