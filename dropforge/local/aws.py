"""All AWS services of one local cloud: ministack and our SageMaker behind one front, with the faults in between."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from pathlib import Path

from dropforge.local.clients import Clients
from dropforge.local.express import posts
from dropforge.local.faults import route
from dropforge.local.faults.events import Disturbed
from dropforge.local.faults.rules import Rules
from dropforge.local.front import Front
from dropforge.local.home import ACCOUNT, REGION, Home, Keys
from dropforge.local.ministack import Account, Ministack
from dropforge.local.sagemaker import INVOCATIONS, SageMaker
from dropforge.local.sagemaker.images import STAND_INS, StandIn
from dropforge.local.sagemaker.states import AT_ONCE, Pace
from dropforge.local.serving import Server
from dropforge.local.tenants import Tenant, Tenants

_OWN = Tenant(ACCOUNT, REGION)


class Aws:
    """Made but not started. `serve` answers; `sagemaker.start` resumes what ran, once S3 answers.

    `images` say what stands in for images beside what comes along, by their repositories.
    Take them down in the reverse order: SageMaker, the server, ministack.
    """

    def __init__(
        self,
        home: Home,
        keys: Keys,
        port: int,
        *,
        speed: float,
        pace: Pace = AT_ONCE,
        images: Mapping[str, StandIn] | None = None,
    ) -> None:
        self._keys = keys
        self._endpoint = f"http://127.0.0.1:{port}"
        self._speed, self._pace, self._images = speed, pace, {**STAND_INS, **(images or {})}
        self._rules = Rules()
        self._disturbed: list[Disturbed] = []
        self.ministack = Ministack(home.path, Account(ACCOUNT, REGION, port, keys))
        self.front = Front(self.ministack.asgi, self._rules)
        self.client = self._clients(_OWN)
        self.sagemaker = Tenants(home.path, _OWN, self._make)
        # The runtime (`runtime.sagemaker`) is signed for the same service.
        self.front.mount("sagemaker", self.sagemaker.asgi)
        self.front.mount("application-autoscaling", self.sagemaker.scaling)
        self.front.tell(lambda: {"sagemaker": self.sagemaker.status()})
        faults = route.Route(self._rules, self._release, self.sagemaker.interrupt)
        for path in (route.PATH, route.INTERRUPTIONS):
            self.front.answer(path, faults)

    def serve(self, listening: socket.socket) -> Server:
        """Answer on a listening socket."""
        ministack = self.ministack
        server = Server(
            self.front.asgi,
            listening,
            name="front",
            often=posts(INVOCATIONS),
            before=ministack.start,
            beside=ministack.keep_saving,
        )
        server.start()
        return server

    def _make(self, tenant: Tenant, home: Path) -> SageMaker:
        emit = Disturbed(
            self._rules,
            lambda kind, detail, resources: self.ministack.emit(
                "aws.sagemaker", kind, detail, resources, (tenant.account, tenant.region)
            ),
        )
        self._disturbed.append(emit)
        return SageMaker(
            home,
            client=self.client if tenant == _OWN else self._clients(tenant),
            emit=emit,
            speed=self._speed,
            account=tenant.account,
            region=tenant.region,
            pace=self._pace,
            known=self._images,
            scarce=lambda instance_type: self._rules.next("capacity", instance_type) is not None,
        )

    def _clients(self, tenant: Tenant) -> Clients:
        access = self._keys.access if tenant.account == ACCOUNT else tenant.account
        return Clients(self._endpoint, Keys(access, self._keys.secret), tenant.region)

    def _release(self) -> None:
        for each in self._disturbed:
            each.release()
