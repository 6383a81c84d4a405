"""What `ports.Registry` promises."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.errors import NotFoundError
from chalicelib.ports import PackageRequest
from tests.contracts import programs
from tests.contracts.values import run_id
from tests.contracts.worlds import ContractWorld


def package(world: ContractWorld, run: object = 1, pipeline: str = "digits", **changes: Any) -> PackageRequest:
    world.put("models/model.tar.gz", b"weights")
    world.put("metrics.json", b"{}")
    fields: dict[str, Any] = {
        "group": world.names.group(pipeline),
        "run": run_id(run),
        "image": programs.IMAGE,
        "model_uri": f"s3://{world.bucket.name}/models/model.tar.gz",
        "environment": {"DROPFORGE_RUN": run_id(run)},
        "accept": ("image/png", "image/jpeg"),
        "metadata": {"pipeline": pipeline, "dataset": "ab" * 32, "validation:accuracy": "0.97"},
        "metrics_uri": f"s3://{world.bucket.name}/metrics.json",
        "approved": True,
        "note": "the gate says yes",
    }
    return PackageRequest(**fields | changes)


def test_a_run_that_was_never_registered_is_not_found(world: ContractWorld) -> None:
    assert world.registry.find(world.names.group("digits"), run_id(1)) is None


def test_a_registered_run_is_found_with_its_version_and_approval(world: ContractWorld) -> None:
    registered = world.registry.register(package(world))
    assert (registered.version, registered.approval) == (1, "Approved")
    assert registered.arn.endswith(f"model-package/{world.names.group('digits')}/1")
    assert world.registry.find(world.names.group("digits"), run_id(1)) == registered


def test_registering_again_finds_it_done(world: ContractWorld) -> None:
    first = world.registry.register(package(world))
    assert world.registry.register(package(world)) == first
    assert world.registry.register(package(world, note="another day")) == first
    assert world.registry.register(package(world, 2)).version == first.version + 1


def test_each_run_finds_its_own(world: ContractWorld) -> None:
    registered = [world.registry.register(package(world, run)) for run in range(4)]
    assert [found.version for found in registered] == [1, 2, 3, 4]
    group = world.names.group("digits")
    assert [world.registry.find(group, run_id(run)) for run in range(4)] == registered


def test_groups_count_their_versions_for_themselves(world: ContractWorld) -> None:
    world.registry.register(package(world, 1, "digits"))
    assert world.registry.register(package(world, 2, "letters")).version == 1
    assert world.registry.find(world.names.group("digits"), run_id(2)) is None


def test_what_is_not_approved_waits_for_a_person(world: ContractWorld) -> None:
    assert world.registry.register(package(world, approved=False)).approval == "PendingManualApproval"


def test_a_package_that_waits_is_approved_once_its_run_asks_for_it(world: ContractWorld) -> None:
    waiting = world.registry.register(package(world, approved=False))
    approved = world.registry.register(package(world))
    assert (approved.arn, approved.approval) == (waiting.arn, "Approved")
    assert world.registry.register(package(world, approved=False)) == approved


def test_a_package_may_have_no_metrics(world: ContractWorld) -> None:
    assert world.registry.register(package(world, metrics_uri=None)).version == 1


def test_a_version_names_the_run_that_it_was_made_of(world: ContractWorld) -> None:
    group = world.names.group("digits")
    versions = [world.registry.register(package(world, run)).version for run in range(3)]
    assert [world.registry.run_of(group, version) for version in versions] == [run_id(run) for run in range(3)]


@pytest.mark.parametrize("version", [2, 999_999_999, 10**40])
def test_a_version_that_is_not_there_names_no_run(world: ContractWorld, version: int) -> None:
    assert world.registry.run_of(world.names.group("digits"), 1) is None
    world.registry.register(package(world))
    assert world.registry.run_of(world.names.group("digits"), version) is None


def test_another_attempt_of_a_run_makes_another_package_and_the_newest_is_found(world: ContractWorld) -> None:
    first = world.registry.register(package(world))
    second = world.registry.register(package(world, attempt=2))
    assert (second.version, second.run) == (first.version + 1, first.run)
    assert world.registry.register(package(world, attempt=2)) == second
    assert world.registry.register(package(world)) == first
    assert world.registry.find(world.names.group("digits"), run_id(1)) == second


def test_a_package_is_described_by_its_arn_with_its_run_and_why_it_was_let_in(world: ContractWorld) -> None:
    registered = world.registry.register(package(world))
    seen = world.registry.describe(registered.arn)
    assert seen == registered
    assert (registered.run, registered.note) == (run_id(1), "the gate says yes")


def test_a_package_that_never_was_is_none_and_cannot_be_decided(world: ContractWorld) -> None:
    arn = world.registry.register(package(world)).arn
    gone = f"{arn.rpartition('/')[0]}/9"
    assert world.registry.describe(gone) is None
    with pytest.raises(NotFoundError):
        world.registry.decide(gone, approved=True, note="yes")


def test_a_package_is_approved_and_rejected_with_a_word_why_as_often_as_one_likes(world: ContractWorld) -> None:
    arn = world.registry.register(package(world, approved=False)).arn
    for approved, says in ((True, "Approved"), (True, "Approved"), (False, "Rejected"), (True, "Approved")):
        decided = world.registry.decide(arn, approved=approved, note=f"{says}\nby ada: looks\tright")
        assert (decided.approval, decided.note) == (says, f"{says} by ada: looks right")
        assert world.registry.describe(arn) == decided
