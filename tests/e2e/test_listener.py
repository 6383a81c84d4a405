"""A listener as a user would write one: rules and queues made with boto3, and the how-to's own program."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any

from tests.e2e.conftest import Cloud, wait_until
from tests.e2e.pipelines import PATIENCE, Tiny, drop, fresh, knobs, push, until_dataset, until_sealed
from tests.fakes.schemas import complaints
from tests.unit.docs import ROOT, blocks

HOW_TO = ROOT / "docs" / "howto" / "react-to-events.md"
_WAY = [
    ("Dataset", None, "collecting"),
    ("Dataset", "collecting", "sealed"),
    ("Run", None, "preparing"),
    ("Run", "preparing", "training"),
    ("Run", "training", "evaluating"),
    ("Run", "evaluating", "registered"),
    ("Release", None, "rehearsing"),
    ("Release", "rehearsing", "rolling-out"),
    ("Release", "rolling-out", "live"),
]
_WAY_OF = {kind: [step for step in _WAY if step[0] == kind] for kind in ("Dataset", "Run", "Release")}


class Ears:
    """A rule for all of one pipeline's events, and a queue behind it."""

    def __init__(self, cloud: Cloud, pipeline: str) -> None:
        self.events, self.sqs, self.name = cloud.client("events"), cloud.client("sqs"), f"ears-{pipeline}"
        self.queue = self.sqs.create_queue(QueueName=self.name)["QueueUrl"]
        about = self.sqs.get_queue_attributes(QueueUrl=self.queue, AttributeNames=["QueueArn"])["Attributes"]
        pattern = {"source": ["dropforge"], "detail": {"stage": [cloud.stage], "pipeline": [pipeline]}}
        self.events.put_rule(Name=self.name, EventPattern=json.dumps(pattern))
        self.events.put_targets(Rule=self.name, Targets=[{"Id": "queue", "Arn": about["QueueArn"]}])
        self.heard: list[dict[str, Any]] = []

    def until(self, kind: str, state: str) -> dict[str, Any]:
        """Listen until a state is told; gives the detail of that event."""
        return wait_until(lambda: self._hear(kind, state), PATIENCE)

    def until_all(self, kind: str, way: list[tuple[str, str | None, str]]) -> None:
        """Listen until the whole way has been told, and nothing else: events overtake one another."""
        wait_until(lambda: self.listen() and len(self.states(kind)) >= len(way), PATIENCE)
        assert self.states(kind) == way

    def states(self, kind: str) -> list[tuple[str, str | None, str]]:
        mine = [(it["detail-type"].split()[1], it["detail"]) for it in self.heard]
        inorder = sorted(((name, detail) for name, detail in mine if name == kind), key=lambda it: it[1]["sequence"])
        return [(name, detail["previousState"], detail["state"]) for name, detail in inorder]

    def listen(self) -> bool:
        """Take what is there."""
        messages = self.sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10).get("Messages", [])
        for message in messages:
            event = json.loads(message["Body"])
            assert complaints(event["detail-type"], event["detail"]) == [], event
            if event["detail"]["id"] not in {each["detail"]["id"] for each in self.heard}:
                self.heard.append(event)
            self.sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])
        return True

    def _hear(self, kind: str, state: str) -> dict[str, Any] | None:
        self.listen()
        found = (it["detail"] for it in self.heard if it["detail-type"].split()[1] == kind)
        return next((detail for detail in found if detail["state"] == state), None)


def test_listeners_hear_a_drop_from_its_first_file_to_live_and_a_refusal(cloud: Cloud, tmp_path: Path) -> None:
    """One has written a listener of its own, for everything; the other has typed what the how-to says."""
    tiny = Tiny(fresh("heard"))
    ears = Ears(cloud, tiny.name)
    program = tmp_path / "listen.py"
    program.write_text("\n".join(block.text for block in blocks("python", HOW_TO)))
    with listening(cloud, program) as lines:
        push(cloud, tiny)
        wait_until(lambda: cloud.client("events").list_rules(NamePrefix="live-models")["Rules"])
        drop(cloud, tiny.name, "one", knobs(label="b"))
        live = ears.until("Release", "live")
        assert lines.get(timeout=PATIENCE) == f"{tiny.name} serves version 1: {live['links']['run']}\n"
    for kind, way in _WAY_OF.items():
        ears.until_all(kind, way)
    run = until_sealed(cloud, tiny.name, "one")
    assert (live["run"], live["modelVersion"], live["stage"]) == (run, 1, "dev")
    assert cloud.get(live["links"]["release"])["live"]["run"] == run, "what is told is there to be read"
    assert {event["source"] for event in ears.heard} == {"dropforge"}
    heard = {event["detail"]["id"] for event in ears.heard}
    # What was sent is written down after it was sent.
    wait_until(lambda: heard <= {event["id"] for event in cloud.get("/v1/events?limit=100")["events"]})

    drop(cloud, tiny.name, "bad", {"stray.csv": b"1\n", "training/a.csv": b"1\n"}, ready=False)
    refused = ears.until("Dataset", "refused")
    seen = until_dataset(cloud, tiny.name, "bad", "refused")
    assert (refused["dataset"], refused["reason"], refused["todo"]) == ("bad", seen["reason"], seen["todo"])


@contextmanager
def listening(cloud: Cloud, program: Path) -> Iterator[SimpleQueue[str]]:
    """Run a program with the local cloud's variables, as `dropforge exec` does; gives its lines as they come."""
    where = ["--home", str(cloud.home), "--stage", cloud.stage]
    words = [sys.executable, "-m", "dropforge.cli.main", "exec", *where, "--", sys.executable]
    process = subprocess.Popen([*words, str(program)], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    lines: SimpleQueue[str] = SimpleQueue()
    assert process.stdout is not None
    reader = Thread(target=_pass_on, args=(process.stdout, lines), daemon=True)
    reader.start()
    try:
        yield lines
    finally:
        process.terminate()
        process.wait(timeout=30)
        reader.join(timeout=30)
        process.stdout.close()


def _pass_on(out: Iterable[str], lines: SimpleQueue[str]) -> None:
    for line in out:
        lines.put(line)
