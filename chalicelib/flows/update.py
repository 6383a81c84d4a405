"""Asks SageMaker for the update of the endpoint that clients meet, under a lease: one worker at a time may.

A lease that was given back says that the call was made; one that has run out says that it may have been.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from chalicelib.decide.release import LOOK_AGAIN
from chalicelib.decide.shortage import trying
from chalicelib.errors import ConflictError, NotFoundError, RefusedError, ThrottledError, UnavailableError
from chalicelib.flows.ledger import Ledger
from chalicelib.model import Entry, Lease, Release, Target
from chalicelib.names import Names
from chalicelib.ports import Clock, Hosting, Records


@dataclass(frozen=True, slots=True)
class EndpointUpdate:
    hosting: Hosting
    records: Records
    clock: Clock
    names: Names
    ledger: Ledger
    holder: str
    """Who this worker is, in a lease."""
    seconds: float
    """How long a lease holds."""

    def ask(self, release: Release, target: Target) -> ThrottledError | None:
        """Ask for it, and remember that; gives the refusal where SageMaker has no room for it now."""
        name = self.names.endpoint(release.pipeline)
        lease = Lease(self.holder, self.clock() + self.seconds)
        leased = self.records.save(replace(release, lease=lease, attempts=release.attempts + 1))
        try:
            self.hosting.update_endpoint(name, target.config)
        except (ThrottledError, UnavailableError) as error:
            # The call is over: should SageMaker have taken it all the same, the endpoint will show it.
            self._end(leased, lease, replace(leased, lease=release.lease, attempts=release.attempts))
            if isinstance(error, ThrottledError):
                return error
            raise
        except (ConflictError, NotFoundError, RefusedError) as error:
            refused = Entry(self.clock(), "update not taken", {"reason": error.message})
            self._end(leased, lease, replace(leased, lease=replace(lease, until=refused.at)), refused)
        else:
            entry = asked("update asked for", self.clock(), release, name, target)
            given_back = replace(leased, lease=None, stage_since=entry.at, shortage=trying(leased.shortage), held=None)
            self._end(leased, lease, given_back, entry)
            self.ledger.note(target, entry)
        return None

    def _end(self, leased: Release, lease: Lease, ended: Release, *entries: Entry) -> None:
        """End the lease, also where somebody else wrote the release meanwhile: only its holder may."""
        seen: Release | None = leased
        while seen is not None and seen.lease == lease:
            after = replace(
                seen,
                lease=ended.lease,
                attempts=ended.attempts,
                stage_since=ended.stage_since,
                shortage=ended.shortage,
                held=ended.held,
                due=self.clock() + LOOK_AGAIN,
            )
            try:
                self.records.save(after, *entries)
            except ConflictError:
                seen = self.records.release(leased.pipeline)
            else:
                return


def asked(what: str, now: float, release: Release, endpoint: str, target: Target) -> Entry:
    """Tell a timeline what was asked for of an endpoint."""
    return Entry(now, what, {"endpoint": endpoint, "config": target.config, "attempt": release.attempts + 1})
