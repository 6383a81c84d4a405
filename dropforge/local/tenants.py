"""One SageMaker for each account and region: what was made in one is not seen in another.

A request says by its signature which it means. The account is this cloud's own, unless the access key is a number of
twelve digits: that is then the account, as for the other services.
"""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dropforge.local.ministack import Receive, Scope, Send
from dropforge.local.sagemaker import SageMaker

_SCOPE = re.compile(r"Credential=(?P<key>[^/,\s]+)/\d{8}/(?P<region>[a-z]{2}(?:-[a-z]+)+-\d{1,2})/")
_ACCOUNT = re.compile(r"\d{12}")


@dataclass(frozen=True, slots=True)
class Tenant:
    account: str
    region: str


class Tenants:
    """Makes each SageMaker when it is first asked for, and after a restart those that were there."""

    def __init__(self, home: Path, own: Tenant, make: Callable[[Tenant, Path], SageMaker]) -> None:
        """Keep that of `own` in `home` itself, and others in folders of their own."""
        self._folder = home / "tenants"
        self._own = own
        self._make = make
        self._lock = threading.Lock()
        self._made = {own: make(own, home)}
        self._started = False

    async def asgi(self, scope: Scope, receive: Receive, send: Send) -> None:
        await (await self._meant(scope)).asgi(scope, receive, send)

    async def scaling(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as Application Auto Scaling."""
        await (await self._meant(scope)).scaling.asgi(scope, receive, send)

    def start(self) -> None:
        """Resume what ran; S3 and Logs must answer by now."""
        for folder in self._folder.glob("*.*"):
            self._open(Tenant(*folder.name.split(".")))
        with self._lock:
            self._started = True
            for sagemaker in self._made.values():
                sagemaker.start()

    def stop(self) -> None:
        with self._lock:
            for sagemaker in self._made.values():
                sagemaker.stop()

    def interrupt(self, job: str) -> bool:
        return any(each.interrupt(job) for each in list(self._made.values()))

    def status(self) -> dict[str, Any]:
        """Tell what runs in all of them together."""
        told: dict[str, Any] = {}
        for sagemaker in list(self._made.values()):
            for what, names in sagemaker.status().items():
                before = told.get(what, type(names)())
                told[what] = {**before, **names} if isinstance(names, dict) else before + names
        return told

    async def _meant(self, scope: Scope) -> SageMaker:
        tenant = tenant_of(scope, self._own)
        if tenant not in self._made:
            await asyncio.to_thread(self._open, tenant)
        return self._made[tenant]

    def _open(self, tenant: Tenant) -> None:
        with self._lock:
            if tenant not in self._made:
                made = self._make(tenant, self._folder / f"{tenant.account}.{tenant.region}")
                if self._started:
                    made.start()
                self._made[tenant] = made


def tenant_of(scope: Scope, own: Tenant) -> Tenant:
    """Read whose SageMaker a request means."""
    found = _SCOPE.search(dict(scope["headers"]).get(b"authorization", b"").decode("latin-1"))
    if not found:
        return own
    account = found["key"] if _ACCOUNT.fullmatch(found["key"]) else own.account
    return Tenant(account, found["region"])
