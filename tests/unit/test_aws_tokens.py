import base64
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.aws.listing import read_token, write_token
from chalicelib.errors import InvalidError


@given(st.lists(st.text(min_size=1), max_size=4))
def test_a_token_gives_back_what_was_written(parts: Sequence[str]) -> None:
    assert read_token(write_token(parts)) == list(parts)


@pytest.mark.parametrize("body", [b"", b"{}", b"[1]", b'[""]', b"\xff", b"[" * 100_000])
def test_a_forged_token_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidError):
        read_token(base64.urlsafe_b64encode(body).decode())


@given(st.text())
def test_any_text_is_a_token_or_is_refused(text: str) -> None:
    try:
        assert all(read_token(text))
    except InvalidError as error:
        assert error.status == 400  # noqa: PT017 (the other outcome is as good)
