"""Deletes what a release wants no more, under a lease.

A deletion cannot be made conditional, and comes late where its worker stalls: who wants the same again waits until
nobody can be at it any more (decide/release.py). Deleting itself waits for nobody.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from chalicelib.decide.release import LOOK_AGAIN
from chalicelib.errors import ConflictError
from chalicelib.model import Lease, Release, Target
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
        """Take a lease; ConflictError where somebody wrote the release meanwhile, and may want it again."""
        lease = Lease(self.holder, self.clock() + self.seconds)
        return self.records.save(replace(release, clearing=(*self.others(release), lease)))

    def others(self, release: Release) -> tuple[Lease, ...]:
        """Give the leases of others that have not run out."""
        now = self.clock()
        return tuple(lease for lease in release.clearing if lease.holder != self.holder and lease.until > now)

    def end(self, begun: Release) -> None:
        """Give the lease back, whoever wrote the release meanwhile."""
        seen: Release | None = begun
        while seen is not None and any(lease.holder == self.holder for lease in seen.clearing):
            after = replace(seen, clearing=self.others(seen), due=self.clock() + LOOK_AGAIN)
            try:
                self.records.save(after)
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
            self.end(begun)
