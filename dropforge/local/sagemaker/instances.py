"""What SageMaker allows of one instance type and not of another, beyond the names that each operation takes.

Which names a mode takes stands in the service's own description: an operation refuses any other by itself.
"""

from __future__ import annotations

from collections.abc import Iterable

from dropforge.local.sagemaker.wire import refusals

_WITH_DISKS = frozenset(
    {
        "c5d", "c6gd", "dl1", "g4dn", "g5", "g6", "g6e", "g7", "g7e", "m5d", "m6gd", "p3dn", "p4d", "p4de", "p5",
        "p5e", "p5en", "p6-b200", "p6-b300", "p6e-gb200", "r5d", "r6gd", "r7gd", "trn1", "trn1n", "trn2",
    }
)  # fmt: skip
"""Those with disks of their own: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/InstanceStorage.html"""


def check_key(types: Iterable[str], key: str | None) -> None:
    """Refuse a key for the volumes of instances that have none to encrypt."""
    for instance_type in types:
        if key and family(instance_type) in _WITH_DISKS:
            raise refusals.KEY_OF_DISKS(type=instance_type)


def family(instance_type: str) -> str:
    """Give the middle of ml.FAMILY.SIZE."""
    return instance_type.split(".")[1]
