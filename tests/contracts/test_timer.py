"""What `ports.Timer` promises."""

from __future__ import annotations

from tests.contracts.worlds import ContractWorld, eventually


def test_a_wake_up_arrives_with_its_subject(world: ContractWorld) -> None:
    world.timer.wake("dataset:digits/naïve + odd", seconds=0)
    assert eventually(world.arrived) == ("dataset:digits/naïve + odd",)


def test_a_wake_up_does_not_arrive_before_its_time(world: ContractWorld) -> None:
    world.timer.wake("run:0123456789ab", seconds=300)
    world.timer.wake("pipeline:digits", seconds=0)
    assert eventually(world.arrived) == ("pipeline:digits",)
    assert world.arrived() == ()


def test_a_longer_wait_than_the_queue_can_keep_is_cut_short_and_not_refused(world: ContractWorld) -> None:
    world.timer.wake("release:digits", seconds=86_400)
    assert world.arrived() == ()


def test_a_time_that_is_over_is_now(world: ContractWorld) -> None:
    world.timer.wake("release:digits", seconds=-5)
    assert eventually(world.arrived) == ("release:digits",)
