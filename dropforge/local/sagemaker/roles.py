"""Which roles a caller may pass: those of the account itself. Nothing here takes one on."""

from __future__ import annotations

from dropforge.local.sagemaker.account import Account
from dropforge.local.sagemaker.wire import refusals


def check(account: Account, role: str | None) -> None:
    """Refuse a role of another account; its shape was checked with the request's."""
    if role and role.split(":")[4] != account.number:
        raise refusals.FOREIGN_ROLE(role=role)
