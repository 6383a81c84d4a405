from __future__ import annotations

import asyncio
import socket
import stat
from pathlib import Path

import pytest

from dropforge.local import launch
from dropforge.local.home import Home, HomeBusyError


def test_the_keys_are_made_once_and_for_their_owner_alone(tmp_path: Path) -> None:
    keys = Home(tmp_path).keys()
    assert Home(tmp_path).keys() == keys
    assert len(keys.access) == 20
    assert stat.S_IMODE((tmp_path / "keys.json").stat().st_mode) == 0o600


def test_a_home_that_is_made_is_open_to_its_owner_alone(tmp_path: Path) -> None:
    Home(tmp_path / "home").claim()
    assert stat.S_IMODE((tmp_path / "home").stat().st_mode) == 0o700


@pytest.mark.parametrize("name", ["a file", "a file/below it"])
def test_a_home_that_can_be_none_is_told_in_a_sentence(tmp_path: Path, name: str) -> None:
    (tmp_path / "a file").touch()
    with pytest.raises(launch.LaunchError, match="cannot be the home of a local cloud"):
        launch.start(tmp_path / name)
    assert launch.status(tmp_path / name) is None
    assert launch.stop(tmp_path / name) is False


def test_two_homes_have_different_keys(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    assert Home(tmp_path / "a").keys() != Home(tmp_path / "b").keys()


def test_a_port_is_taken_again_when_it_is_free(tmp_path: Path) -> None:
    with Home(tmp_path).listen("aws") as first:
        port = first.getsockname()[1]
    with Home(tmp_path).listen("aws") as again:
        assert again.getsockname()[1] == port


def test_another_port_is_taken_when_somebody_has_it(tmp_path: Path) -> None:
    with Home(tmp_path).listen("aws") as first, Home(tmp_path).listen("aws") as second:
        assert first.getsockname()[1] != second.getsockname()[1]
        assert second.getsockname()[0] == "127.0.0.1"


def test_a_home_has_one_cloud_at_a_time(tmp_path: Path) -> None:
    first, second = Home(tmp_path), Home(tmp_path)
    first.claim()
    assert second.claimed()
    with pytest.raises(HomeBusyError, match=r"already runs in .*; stop it first, or use another folder"):
        second.claim()


def test_a_card_left_by_a_dead_cloud_is_known_as_stale(tmp_path: Path) -> None:
    home = Home(tmp_path)
    # Pid 1 lives, but it is not ours: the lock tells.
    home.write_card({"pid": 1, "endpoint": "http://127.0.0.1:1"})
    assert launch.status(tmp_path) is None
    assert launch.stop(tmp_path) is False
    home.claim()
    assert home.read_card() is None


def test_answers_never_wait_for_an_acknowledgement(tmp_path: Path) -> None:
    class Told(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            accepted = transport.get_extra_info("socket")
            told.append(accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            transport.close()

    async def connect() -> None:
        with Home(tmp_path).listen("aws") as listening:
            server = await asyncio.get_running_loop().create_server(Told, sock=listening)
            reader, writer = await asyncio.open_connection(*listening.getsockname())
            await reader.read()
            writer.close()
            server.close()

    told: list[int] = []
    asyncio.run(connect())
    assert told == [1]
