"""What `ports.Mail` promises of the topic and the secret; the webhook's own tests are in tests/unit/test_notices.py."""

from __future__ import annotations

from tests.contracts.worlds import ContractWorld, eventually


def test_a_subscriber_gets_the_text_as_it_was_with_subject_and_attributes(world: ContractWorld) -> None:
    mail, attributes = world.mail, {"detail-type": "Dropforge Run State Change", "state": "failed"}
    mail.publish('{"reason": "naïve"}', subject="a run: digits failed", attributes=attributes)
    (letter,) = eventually(world.published)
    assert letter == ('{"reason": "naïve"}', "a run: digits failed", attributes)


def test_a_secret_is_read_in_clear_and_a_new_one_at_once(world: ContractWorld) -> None:
    mail = world.mail
    for value in ("first", "second"):
        world.keep_secret(value)
        assert mail.secret() == value
