"""Deletes what a release wants no more, under a lease.

A deletion cannot be made conditional, and comes late where its worker stalls: who wants the same again waits until
nobody can be at it any more (decide/release.py). Deleting itself waits for nobody.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
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

    @contextmanager
    def lease(self, release: Release) -> Iterator[Release]:
        """Hold a lease while something of the release is deleted; gives the release with it.

        It is given back whatever comes of the deletion, and whoever writes the release meanwhile: only a worker that
        dies keeps it until it has run out. ConflictError where somebody wrote the release before: it may be wanted
        again.
        """
        lease = Lease(self.holder, self.clock() + self.seconds)
        begun = self.records.save(replace(release, clearing=(*self._others(release), lease)))
        try:
            yield begun
        except Exception:  # no `finally`: who is killed gives nothing back, and the lease runs out
            self._give_back(release.pipeline)
            raise
        self._give_back(release.pipeline)

    def _give_back(self, pipeline: str) -> None:
        while (seen := self.records.release(pipeline)) is not None:
            if all(lease.holder != self.holder for lease in seen.clearing):
                return
            with suppress(ConflictError):  # somebody wrote it meanwhile: it is read again
                self.records.save(replace(seen, clearing=self._others(seen), due=self.clock() + LOOK_AGAIN))

    def _others(self, release: Release) -> tuple[Lease, ...]:
        """Give the leases of others that have not run out."""
        now = self.clock()
        return tuple(lease for lease in release.clearing if lease.holder != self.holder and lease.until > now)

    def targets(self, gone: Target, *, keep: tuple[Target | None, ...]) -> None:
        """Delete a target's configuration and model, but what those to keep are made of; call under the lease."""
        kept = [target for target in keep if target is not None]
        if gone.config not in {target.config for target in kept}:
            self.hosting.delete_config(gone.config)
        if gone.model not in {target.model for target in kept}:
            self.hosting.delete_model(gone.model)
