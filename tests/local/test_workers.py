from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dropforge.local.functions.pool import ThrottledError
from tests.local.waiting import wait_until
from tests.local.workshop import Workshop, pid_written_to, workshop


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Workshop]:
    with workshop(tmp_path) as made:
        yield made


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    # A zombie whose parent was killed waits for init, which may be slow to reap.
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


def test_a_handler_gets_its_event_and_a_context(shop: Workshop) -> None:
    answer = shop.pool("work.echo").invoke(b'{"a": "\xc3\xbc"}', request_id="r-1")
    told = json.loads(answer.payload)
    assert not answer.failed
    assert 0 < told.pop("left") <= 60_000
    assert told == {
        "event": {"a": "ü"},
        "name": "work-echo",
        "id": "r-1",
        "arn": "arn:aws:lambda:us-east-1:000000000000:function:work-echo",
        "memory": "256",
    }


def test_a_handler_may_lie_deep_in_a_package(shop: Workshop) -> None:
    assert json.loads(shop.pool("deep.handler.handle").invoke(b"{}").payload) == "deep"


def test_a_function_sees_lambdas_environment_and_nothing_of_ours(shop: Workshop) -> None:
    os.environ["DROPFORGE_TEST_SECRET"] = "mine"
    try:
        pool = shop.pool("work.environment", given={"AWS_REGION": "us-east-1"})
        seen = json.loads(pool.invoke(b"{}").payload)
    finally:
        del os.environ["DROPFORGE_TEST_SECRET"]
    assert "DROPFORGE_TEST_SECRET" not in seen
    assert seen["AWS_REGION"] == "us-east-1"
    assert seen["AWS_LAMBDA_FUNCTION_NAME"] == "work-environment"
    assert seen["_HANDLER"] == "work.environment"
    assert seen["LAMBDA_TASK_ROOT"] == str(shop.folder)
    assert seen["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == "256"


def test_the_variables_of_the_template_win_over_those_of_the_cloud(shop: Workshop) -> None:
    pool = shop.pool("work.environment", given={"A": "cloud", "B": "cloud"}, environment={"A": "template"})
    seen = json.loads(pool.invoke(b"{}").payload)
    assert (seen["A"], seen["B"]) == ("template", "cloud")


def test_an_exception_is_told_as_lambda_tells_it_and_the_worker_lives_on(shop: Workshop) -> None:
    pool = shop.pool("work.fail")
    first, pids = pool.invoke(b"1", request_id="r-1"), pool.pids()
    told = json.loads(first.payload)
    assert first.failed
    assert (told["errorType"], told["errorMessage"], told["requestId"]) == ("ValueError", "no good: 1", "r-1")
    assert any("raise ValueError" in line for line in told["stackTrace"])
    pool.invoke(b"2")
    assert pool.pids() == pids
    assert (pool.invocations, pool.errors) == (2, 2)


def test_an_import_that_fails_is_an_error_of_the_function(shop: Workshop) -> None:
    told = json.loads(shop.pool("broken.handle").invoke(b"{}").payload)
    assert told["errorType"] == "ModuleNotFoundError"


def test_an_answer_that_is_no_json_is_an_error(shop: Workshop) -> None:
    answer = shop.pool("work.unspeakable").invoke(b"{}")
    assert answer.failed
    assert json.loads(answer.payload)["errorType"] == "TypeError"


def test_an_answer_above_six_megabytes_is_an_error(shop: Workshop) -> None:
    pool = shop.pool("work.large")
    assert not pool.invoke(b"6000000").failed
    told = json.loads(pool.invoke(b"6400000").payload)
    assert told["errorType"] == "Function.ResponseSizeTooLarge"


def test_a_function_that_takes_too_long_is_ended_and_the_next_event_gets_a_fresh_worker(
    shop: Workshop, tmp_path: Path
) -> None:
    mark = tmp_path / "mark"
    pool = shop.pool("work.hang_once", timeout=1)
    wait_until(lambda: pool.invoke(b"{}").payload == b'"warm"')  # its time counts from its start
    payload = json.dumps({"mark": str(mark)}).encode()
    answer = pool.invoke(payload)
    told = json.loads(answer.payload)
    assert told["errorType"] == "Sandbox.Timedout"
    assert "Task timed out after 1.00 seconds" in told["errorMessage"]
    assert gone(int(mark.read_text()))
    assert json.loads(pool.invoke(payload).payload) == "second time"


def test_a_worker_killed_in_the_middle_is_an_error_and_is_replaced(shop: Workshop, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    pool = shop.pool("work.hang_once")
    payload = json.dumps({"mark": str(mark)}).encode()
    with ThreadPoolExecutor(1) as hands:
        running = hands.submit(pool.invoke, payload)
        os.kill(pid_written_to(mark), signal.SIGKILL)
        told = json.loads(running.result(60).payload)
    assert told["errorType"] == "Runtime.ExitError"
    assert "signal: SIGKILL" in told["errorMessage"]
    assert json.loads(pool.invoke(payload).payload) == "second time"


def test_a_worker_killed_between_two_events_is_replaced_unnoticed(shop: Workshop) -> None:
    pool = shop.pool("work.pid")
    first = json.loads(pool.invoke(b"0").payload)
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: first not in pool.pids())  # its last thread ends after it looks dead from outside
    answer = pool.invoke(b"0")
    assert not answer.failed
    assert json.loads(answer.payload) != first


def _meeting(tmp_path: Path, count: int) -> bytes:
    """Make an event whose handler waits until so many files are there; its own is the first."""
    folder = tmp_path / "meeting"
    folder.mkdir()
    return json.dumps({"folder": str(folder), "count": count}).encode()


def test_workers_share_boto3_and_nothing_that_a_module_makes(shop: Workshop, tmp_path: Path) -> None:
    pool = shop.pool("work.made", bound=2)
    with ThreadPoolExecutor(2) as hands:
        answers = list(hands.map(pool.invoke, [_meeting(tmp_path, 2)] * 2))
    first, second = (json.loads(answer.payload) for answer in answers)
    assert first["made"] != second["made"]
    assert first["had"] == second["had"] == ["boto3"]
    assert first["parent"] == second["parent"]


def test_workers_find_the_descriptions_of_services_read(shop: Workshop) -> None:
    assert json.loads(shop.pool("work.described").invoke(b"{}").payload) == {"s3": True, "plain": True, "texts": [""]}


def test_when_what_workers_are_forked_from_is_killed_the_next_event_gets_a_worker_all_the_same(shop: Workshop) -> None:
    pool = shop.pool("work.made")
    killed = json.loads(pool.invoke(b"0").payload)["parent"]
    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: pool.pids() == [])
    answer = pool.invoke(b"0")
    assert not answer.failed
    assert json.loads(answer.payload)["parent"] != killed


def test_a_machine_with_no_room_for_a_worker_fails_that_event_alone_and_keeps_nothing_open(
    shop: Workshop, tmp_path: Path
) -> None:
    hanging, other, mark = shop.pool("work.hang"), shop.pool("work.pid"), tmp_path / "mark"
    with ThreadPoolExecutor(1) as hands:
        hands.submit(hanging.invoke, json.dumps({"mark": str(mark)}).encode())
        worker = pid_written_to(mark)
        forks = int(Path(f"/proc/{worker}/stat").read_text().rpartition(")")[2].split()[1])
        limits = resource.prlimit(forks, resource.RLIMIT_NOFILE, (4, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
        before = len(list(Path("/proc/self/fd").iterdir()))
        told = [json.loads(other.invoke(b"0").payload)["errorType"] for _ in range(20)]
        left = len(list(Path("/proc/self/fd").iterdir()))
        resource.prlimit(forks, resource.RLIMIT_NOFILE, limits)
        answer, lives = other.invoke(b"0"), not gone(worker)
        hanging.stop()
    assert set(told) == {"Sandbox.Unavailable"}
    assert other.errors == 20
    assert left == before
    assert (answer.failed, lives) == (False, True)


def test_a_handler_that_leaves_the_process_is_an_error(shop: Workshop) -> None:
    told = json.loads(shop.pool("work.leave").invoke(b"{}").payload)
    assert told["errorType"] == "Runtime.ExitError"
    assert "exit status 7" in told["errorMessage"]


def test_a_worker_is_used_again_while_it_is_free(shop: Workshop) -> None:
    pool = shop.pool("work.pid")
    assert len({pool.invoke(b"0").payload for _ in range(5)}) == 1


def test_a_worker_that_nobody_wants_is_ended_and_another_one_takes_the_next_event(shop: Workshop) -> None:
    pool = shop.pool("work.pid")
    first = int(pool.invoke(b"0").payload)
    pool.rest(3600)
    assert pool.pids() == [first]
    pool.rest(0)
    assert pool.pids() == []
    assert gone(first)
    assert int(pool.invoke(b"0").payload) != first
    assert pool.errors == 0


def test_a_worker_at_work_is_not_ended_for_idleness(shop: Workshop, tmp_path: Path) -> None:
    pool, mark = shop.pool("work.hang"), tmp_path / "mark"
    busy = threading.Thread(target=pool.invoke, args=[json.dumps({"mark": str(mark)}).encode()])
    busy.start()
    pid = pid_written_to(mark)
    pool.rest(0)
    assert pool.pids() == [pid]
    assert not gone(pid)
    pool.stop()
    busy.join(30)


def test_events_at_once_get_workers_of_their_own_up_to_the_bound(shop: Workshop, tmp_path: Path) -> None:
    pool, event = shop.pool("work.pid", bound=2), _meeting(tmp_path, 3)
    with ThreadPoolExecutor(6) as hands:
        running = [hands.submit(pool.invoke, event) for _ in range(6)]
        wait_until(lambda: len(list((tmp_path / "meeting").iterdir())) == 2)
        with pytest.raises(ThrottledError):
            pool.invoke(b"0", patience=0.05)
        (tmp_path / "meeting" / "go").touch()
        pids = {each.result().payload for each in running}
    assert len(pids) == 2
    assert len(pool.pids()) == 2


def test_who_will_not_wait_for_a_worker_is_told_so(shop: Workshop, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    pool = shop.pool("work.hang", bound=1)
    payload = json.dumps({"mark": str(mark)}).encode()
    running = threading.Thread(target=pool.invoke, args=(payload,), daemon=True)
    running.start()
    wait_until(mark.exists)
    with pytest.raises(ThrottledError):
        pool.invoke(b"{}", patience=0.05)
    pool.stop()
    running.join(60)
    assert not running.is_alive()


def test_what_a_function_prints_is_logged_between_start_and_report(shop: Workshop) -> None:
    shop.pool("work.echo").invoke(b'"hello"', request_id="r-9")
    wait_until(lambda: any(text.startswith("REPORT RequestId: r-9") for _, text in shop.lines))
    texts = [text for _, text in shop.lines]
    assert texts[0] == "START RequestId: r-9 Version: $LATEST"
    assert texts[1] == "seen hello"
    assert texts[2] == "END RequestId: r-9"


def test_workers_die_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    # The parent is a program of its own, so that it can be killed.
    program = """
import sys, time
from pathlib import Path
from tests.local.workshop import workshop
with workshop(Path(sys.argv[1])) as shop:
    pool = shop.pool("work.hang")
    pool.invoke(('{"mark": "%s/mark"}' % sys.argv[1]).encode())
"""
    parent = subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], cwd=Path(__file__).parents[2])
    mark = tmp_path / "mark"
    worker = pid_written_to(mark)
    parent.kill()
    parent.wait()
    assert wait_until(lambda: gone(worker))
