"""Deletes what a release wants no more, under a lease.

A deletion cannot be made conditional, and comes late where its worker stalls: who wants the same again waits until
nobody can be at it any more (decide/release.py). Deleting itself waits for nobody.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from chalicelib.decide.release import LOOK_AGAIN
from chalicelib.errors import ConflictError
from chalicelib.model import Entry, Lease, Release, Target
from chalicelib.ports import Clock, Hosting, Records


@dataclass(frozen=True, slots=True)
class Clearing:
    hosting: Hosting
    records: Records
    clock: Clock
    holder: str
    """Who this worker is, in a lease."""
    seconds: float
    """How long a lease holds."""

    def begin(self, release: Release) -> Release:
        """Take the lease; ConflictError where somebody wrote the release meanwhile, and may want it again."""
        return self.records.save(replace(release, clearing=Lease(self.holder, self.clock() + self.seconds)))

    def others(self, release: Release) -> Lease | None:
        """Give the lease that was there before, where its holder may still make a call."""
        lease = release.clearing
        return lease if lease and lease.holder != self.holder and lease.until > self.clock() else None

    def end(self, before: Release, begun: Release, *entries: Entry) -> None:
        """Give the lease back, also where somebody else wrote the release meanwhile: only its holder may."""
        seen: Release | None = begun
        while seen is not None and seen.clearing == begun.clearing:
            after = replace(seen, clearing=self.others(before), due=self.clock() + LOOK_AGAIN)
            try:
                self.records.save(after, *entries)
            except ConflictError:
                seen = self.records.release(begun.pipeline)
            else:
                return

    def targets(self, gone: Target, *, keep: tuple[Target | None, ...]) -> None:
        """Delete a target's configuration and model, but what those to keep are made of; call under the lease."""
        kept = [target for target in keep if target is not None]
        if gone.config not in {target.config for target in kept}:
            self.hosting.delete_config(gone.config)
        if gone.model not in {target.model for target in kept}:
            self.hosting.delete_model(gone.model)

    def under(self, release: Release, delete: Callable[[], None]) -> None:
        """Delete under a lease of its own, and give it back whatever comes of it."""
        begun = self.begin(release)
        try:
            delete()
        finally:
            self.end(release, begun)
