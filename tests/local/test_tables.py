"""What DynamoDB has answered for is there after a kill -9, whenever that comes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from dropforge.local.ministack.journal import Journal
from tests.local.waiting import wait_until

ROOT = Path(__file__).parents[2]
KEYS = {
    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
    "AttributeDefinitions": [{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
}
NUMBERED = {
    "KeySchema": [{"AttributeName": "n", "KeyType": "HASH"}],
    "AttributeDefinitions": [{"AttributeName": "n", "AttributeType": "N"}],
}


class Life:
    """One life of a ministack; `kill` ends it."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        self._process = process
        self._endpoint = f"http://127.0.0.1:{int(process.stdout.readline())}"
        self.dynamodb = self.client("dynamodb")

    def client(self, service: str) -> Any:
        config = Config(retries={"total_max_attempts": 1}, max_pool_connections=8)
        session = boto3.session.Session("AKIATEST", "secret", region_name="us-east-1")
        return session.client(service, endpoint_url=self._endpoint, config=config)

    def make(self, table: str = "things", **keys: Any) -> None:
        self.dynamodb.create_table(TableName=table, BillingMode="PAY_PER_REQUEST", **(keys or KEYS))

    def all(self) -> dict[str, list[Any]]:
        """Read every item of every table."""
        scans = {name: self.dynamodb.scan(TableName=name) for name in self.dynamodb.list_tables()["TableNames"]}
        return {name: sorted(scan["Items"], key=_in_order) for name, scan in scans.items()}

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


@contextmanager
def living(home: Path, *words: str, before: str = "") -> Iterator[Life]:
    command = [sys.executable, "-m", "tests.local.killed", str(home), *words]
    shell = ["sh", "-c", f'{before}exec "$@"', "sh", *command] if before else command
    with subprocess.Popen(shell, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        life = Life(process)
        yield life
        life.kill()


def _in_order(item: Any) -> str:
    """Spell an item alike, in whichever order its members come."""
    return json.dumps(item, sort_keys=True, default=repr)


def item(key: str, **more: Any) -> dict[str, Any]:
    return {"pk": {"S": key}, "sk": {"S": "-"}, **more}


def write_in_every_way(life: Life) -> None:
    dynamodb = life.dynamodb
    life.make()
    life.make("numbers", **NUMBERED)
    dynamodb.put_item(TableName="numbers", Item={"n": {"N": "1.50"}, "b": {"B": b"\x00\xff"}})
    dynamodb.put_item(TableName="things", Item=item("put ü", s={"SS": ["a", "b"]}))
    for _ in range(3):
        dynamodb.update_item(
            TableName="things",
            Key=item("counted"),
            UpdateExpression="ADD n :one",
            ExpressionAttributeValues={":one": {"N": "1"}},
        )
    dynamodb.put_item(TableName="things", Item=item("deleted"))
    dynamodb.delete_item(TableName="things", Key=item("deleted"))
    with pytest.raises(ClientError, match="ConditionalCheckFailed"):
        dynamodb.put_item(TableName="things", Item=item("counted"), ConditionExpression="attribute_not_exists(pk)")
    dynamodb.batch_write_item(RequestItems={"things": [{"PutRequest": {"Item": item(f"batch {n}")}} for n in range(3)]})
    puts = [{"Put": {"TableName": "things", "Item": item(f"together {n}")}} for n in range(3)]
    dynamodb.transact_write_items(TransactItems=[*puts, {"Delete": {"TableName": "things", "Key": item("batch 0")}}])
    dynamodb.execute_statement(Statement="INSERT INTO things VALUE {'pk': 'said', 'sk': '-'}")
    said = [f"INSERT INTO things VALUE {{'pk': '{key}', 'sk': '-'}}" for key in ("undone", "said")]
    with pytest.raises(ClientError, match="TransactionCanceled"):
        dynamodb.execute_transaction(TransactStatements=[{"Statement": one} for one in said])
    life.make("gone")
    dynamodb.put_item(TableName="gone", Item=item("x"))
    dynamodb.delete_table(TableName="gone")
    life.make("made-again")
    dynamodb.put_item(TableName="made-again", Item=item("of the first"))
    dynamodb.delete_table(TableName="made-again")
    life.make("made-again")
    dynamodb.put_item(TableName="made-again", Item=item("of the second"))


def test_what_is_written_after_a_snapshot_that_had_everything_is_there_after_a_kill(tmp_path: Path) -> None:
    with living(tmp_path, "saves") as life:
        write_in_every_way(life)
        wait_until(lambda: not list((tmp_path / "journal").iterdir()))
        life.kill()
    with living(tmp_path) as life:
        life.dynamodb.put_item(TableName="things", Item=item("of the second life"))
        before = life.all()
        life.kill()
    with living(tmp_path) as life:
        assert life.all() == before


@pytest.mark.parametrize("words", [(), ("saves",)], ids=["with no snapshot of it", "while snapshots are taken"])
def test_what_was_written_in_any_way_is_the_same_after_a_kill(tmp_path: Path, words: tuple[str, ...]) -> None:
    with living(tmp_path, *words) as life:
        write_in_every_way(life)
        before = life.all()
        life.kill()
    assert [len(before[name]) for name in ("things", "numbers", "made-again")] == [8, 1, 1]
    with living(tmp_path) as life:
        assert life.all() == before
        life.dynamodb.put_item(TableName="things", Item=item("of the second life"))
        before = life.all()
        life.kill()
    with living(tmp_path) as life:
        assert life.all() == before


@pytest.mark.parametrize("words", [(), ("saves",)], ids=["with no snapshot of it", "while snapshots are taken"])
def test_a_kill_in_the_midst_of_many_writes_loses_none_that_was_answered(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    lanes, enough = 4, 150
    answered = [0] * lanes

    def count(lane: int) -> None:
        while True:
            try:
                told = life.dynamodb.update_item(
                    TableName="things",
                    Key=item(str(lane)),
                    UpdateExpression="ADD n :one SET #last = :one",
                    ExpressionAttributeNames={"#last": "last"},
                    ExpressionAttributeValues={":one": {"N": "1"}},
                    ReturnValues="UPDATED_NEW",
                )
            except BotoCoreError:
                return
            answered[lane] = int(told["Attributes"]["n"]["N"])
            if answered[lane] == enough:
                life.kill()

    with living(tmp_path, *words) as life:
        life.make()
        with ThreadPoolExecutor(lanes) as hands:
            list(hands.map(count, range(lanes)))
    with living(tmp_path) as life:
        kept = {each["pk"]["S"]: int(each["n"]["N"]) for each in life.all()["things"]}
    # One more may have been written, and its answer cut off.
    assert all(done <= kept[str(lane)] <= done + 1 for lane, done in enumerate(answered)), (kept, answered)


def test_a_full_disk_refuses_a_write_and_leaves_those_before_it_whole(tmp_path: Path) -> None:
    with living(tmp_path, before="ulimit -f 200; ") as life:
        life.make()
        done = _until_refused(life)
        life.dynamodb.put_item(TableName="things", Item=item("small"))
    with living(tmp_path) as life:
        kept = {each["pk"]["S"] for each in life.all()["things"]}
    assert done > 0
    assert kept == {*(str(number) for number in range(done)), "small"}


def _until_refused(life: Life) -> int:
    """Write until the disk is full; gives how many were taken."""
    for done in range(50):
        try:
            life.dynamodb.put_item(TableName="things", Item=item(str(done), filler={"S": "x" * 9_000}))
        except life.dynamodb.exceptions.InternalServerError:
            return done
    raise AssertionError("the disk was never full")


def test_a_table_that_a_stack_made_is_kept_with_what_was_written_to_it(tmp_path: Path) -> None:
    template = {
        "Resources": {"Table": {"Type": "AWS::DynamoDB::Table", "Properties": {"TableName": "stacked", **KEYS}}}
    }
    with living(tmp_path) as life:
        cloudformation = life.client("cloudformation")
        cloudformation.create_stack(StackName="tables", TemplateBody=json.dumps(template))
        cloudformation.get_waiter("stack_create_complete").wait(StackName="tables", WaiterConfig={"Delay": 0})
        life.dynamodb.put_item(TableName="stacked", Item=item("x"))
        life.kill()
    with living(tmp_path) as life:
        assert life.all() == {"stacked": [item("x")]}
        [stack] = life.client("cloudformation").describe_stacks(StackName="tables")["Stacks"]
        assert stack["StackStatus"] == "CREATE_COMPLETE"


def journal(folder: Path) -> Journal:
    return Journal(folder, default=str, hook=dict)


def test_a_line_that_was_cut_short_is_left_out_and_nothing_after_it_is_lost(tmp_path: Path) -> None:
    first = journal(tmp_path)
    first.append([1])
    first.append([2])
    [file] = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:-2])
    second = journal(tmp_path)
    second.turn()
    second.append([3])
    assert list(journal(tmp_path).replay(0)) == [[1], [3]]


def test_what_a_snapshot_has_is_not_read_again_and_then_dropped(tmp_path: Path) -> None:
    lines = journal(tmp_path)
    lines.append(["before"])
    since = lines.turn()
    lines.append(["after"])
    assert list(lines.replay(since)) == [["after"]]
    # No snapshot came of it: the older one needs both.
    assert list(lines.replay(0)) == [["before"], ["after"]]
    lines.forget(since)
    assert list(journal(tmp_path).replay(0)) == [["after"]]
