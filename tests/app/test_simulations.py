"""What would come of it: the real routes over a world in memory, which is the same after as before."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, get_type_hints

import pytest

import app
from chalicelib import wiring
from chalicelib.model import Command, DatasetId, Entry, Pause, Release, Serving
from chalicelib.ports import ConfigRequest, ModelRequest, PackageRequest, TrainingJob
from chalicelib.simulated import Journal, SimulatedWorld, SimulationEnd, journal
from tests.app import raw
from tests.app.acts import PIPELINE, drop_dataset, push_pipeline, wake_until_quiet
from tests.app.raw import Context
from tests.fakes.world import World

Json = dict[str, Any]
Simulate = Callable[..., Json]
MNIST = DatasetId("digits", "mnist")
EPOCHS = {"train.hyperparameters.epochs": 3}
PORTS: dict[str, type] = {
    name: hints["return"]
    for name, it in vars(wiring.Ports).items()
    if isinstance(it, property) and isinstance((hints := get_type_hints(it.fget))["return"], type)
    if name != "settings"
}
"""Every port that the flows know, by the name it has in a world: a new one is met here by itself."""
READING = {
    *(
        f"bucket.{name}"
        for name in ("page", "read", "read_from", "head", "open_uploads", "prefixes", "link", "elsewhere")
    ),
    *(f"records.{name}" for name in ("dataset", "run", "release", "pipeline", "serving", "pointing", "due")),
    *(f"records.{name}" for name in ("datasets", "runs", "pipelines", "timeline", "cursor", "paused", "events")),
    *(
        "jobs.describe",
        "jobs.log",
        "registry.find",
        "registry.describe",
        "registry.run_of",
        "hosting.endpoint",
        "hosting.rehearsals",
    ),
}
"""What may pass through to the real world. Named again in the overlays, on purpose: one list checks the other."""
NAMED: dict[str, Any] = {
    "DatasetId": MNIST,
    "Iterable[bytes]": (b"x",),
    "Sequence": (),
    "Pause": Pause("digits", Command("arn:ada", 1.0)),
    "Entry": Entry(1.0, "seen"),
    "Serving": Serving("digits"),
    "TrainingJob": TrainingJob("df-test-digits-0-0-a1", "image", "ml.m5.large", 30, 60, (), "s3://bucket/out"),
    "PackageRequest": PackageRequest("group", "run", "image", "s3://bucket/m", {}, (), {}, None, True, "note"),
    "ModelRequest": ModelRequest("model", "image", "s3://bucket/m", {}),
    "ConfigRequest": ConfigRequest("config", "model", "ml.m5.large", 1),
    "Stored": Release("digits"),
    "bytes": b"x",
    "float": 1.0,
    "int": 1,
    "str": "digits",
}
"""Some value for each type that a parameter has, the more special ones first."""


def asked(**fields: Any) -> tuple[int, Json]:
    response = app.app(raw.post("/v1/simulations", body=fields), Context())
    return response["statusCode"], json.loads(response["body"])


def snapshot(world: World) -> dict[str, str]:
    """Everything that the world holds, but for what counts reads."""
    fakes = {name: object.__getattribute__(it, "_parts")[2] for name in PORTS if (it := getattr(world, name, None))}
    return {
        f"{port}.{name}": repr(value)
        for port, fake in fakes.items()
        for name, value in vars(fake).items()
        if name not in {"reads", "clock", "bucket"}
    }


def calls(said: Json) -> list[str]:
    return [call["call"] for call in said["calls"]]


def train(world: World, toml: str = PIPELINE) -> str:
    """Push, drop, and let the training job start; gives its name."""
    push_pipeline(world)
    world.bucket.put("pipelines/digits/pipeline.toml", toml)
    wake_until_quiet(world, seconds=30)
    drop_dataset(world, "1.png")
    wake_until_quiet(world)
    (job,) = world.jobs.names
    return job


def methods_of(port: type) -> list[str]:
    return sorted(name for name, it in vars(port).items() if inspect.isfunction(it) and not name.startswith("_"))


@pytest.fixture
def untouched(world: World) -> Simulate:
    """Simulate, and see that the world is what it was and that no port was asked to write."""

    def simulate(**fields: Any) -> Json:
        before, made = snapshot(world), len(world.calls)
        status, said = asked(**fields)
        assert status == 200, said
        assert snapshot(world) == before
        assert {str(call) for call in world.calls[made:]} <= READING
        return said

    return simulate


def test_a_fresh_drop_would_seal_and_start_its_job(world: World, untouched: Simulate) -> None:
    push_pipeline(world)
    wake_until_quiet(world, seconds=30)
    drop_dataset(world, "1.png", "2.png")
    said = untouched(dataset="digits/mnist")
    (run,) = said["names"]["runs"]
    assert (said["complete"], [step["about"] for step in said["steps"]]) == (
        True,
        ["dataset:digits/mnist", "dataset:digits/mnist", f"run:{run}"],
    )
    assert said["steps"][0]["says"] == "collecting: It seals when nothing has arrived for 120 seconds."
    assert said["names"]["training_jobs"] == [f"df-test-digits-{run}-0-a1"]
    assert [call["call"] for call in said["calls"] if call["costs"]] == ["CreateTrainingJob"]
    assert {(it["subject"], it["before"], it["after"]) for it in said["states"]} == {
        (f"run:{run}", None, "training"),
        ("dataset:digits/mnist", "collecting", "sealed"),
    }
    assert "Dropforge Dataset State Change" in {event["detail-type"] for event in said["events"]}
    assert ("training started", f"run:{run}") in {(line["what"], line["subject"]) for line in said["timeline"]}

    wake_until_quiet(world)
    assert world.jobs.names == tuple(said["names"]["training_jobs"])


def test_what_lies_there_and_nobody_told_of_is_simulated_as_if_it_had_been(world: World, untouched: Simulate) -> None:
    push_pipeline(world)
    wake_until_quiet(world, seconds=30)
    world.bucket.put("datasets/digits/rows.csv", b"1,2")
    assert untouched(dataset="digits/rows")["names"].keys() == {"runs", "training_jobs"}


def test_a_dataset_that_would_be_refused_says_why(world: World, untouched: Simulate) -> None:
    push_pipeline(world)
    wake_until_quiet(world, seconds=30)
    world.bucket.put("datasets/digits/mnist/loose.png", b"pixels")
    said = untouched(dataset="digits/mnist")
    assert said["steps"][-1]["says"].startswith("refused: directly under the dataset, in no channel")
    assert "CreateTrainingJob" not in calls(said)


def test_a_paused_pipeline_would_start_nothing(world: World, untouched: Simulate) -> None:
    push_pipeline(world)
    wake_until_quiet(world, seconds=30)
    drop_dataset(world, "1.png")
    world.records.pause(Pause("digits", Command("arn:ada", world.clock())), Entry(world.clock(), "paused"))
    said = untouched(dataset="digits/mnist")
    assert "CreateTrainingJob" not in calls(said)
    assert "aused by arn:ada" in said["steps"][-1]["says"]


def test_an_uploads_event_would_be_noted_and_its_settle_gone_through(world: World, untouched: Simulate) -> None:
    for key, text in (("pipeline.toml", PIPELINE), ("src/train.py", "print('training')")):
        world.bucket.put(f"pipelines/digits/{key}", text)
    said = untouched(event=json.loads(raw.created("pipelines/digits/pipeline.toml", world.clock())))
    assert said["steps"][-1] == {"at": said["steps"][-1]["at"], "about": "pipeline:digits", "says": "accepted"}
    assert "accepted" in {line["what"] for line in said["timeline"]}


def test_a_completed_jobs_event_would_register_and_rehearse(world: World, untouched: Simulate) -> None:
    job = train(world)
    world.jobs.finish(job, {}, ["7", "1"])
    said = untouched(event=raw.job_changed(job))
    assert [call for call in calls(said) if call not in {"PutItem", "PutObject", "SendMessage"}] == [
        "CreateModelPackage",
        "UpdateModelPackage",
        "CreateModel",
        "CreateEndpointConfig",
        "CreateEndpoint",
    ]
    assert [call["call"] for call in said["calls"] if call["costs"]] == ["CreateEndpoint"]
    assert said["names"]["package_groups"] == ["df-test-digits"]
    (endpoint,) = said["names"]["endpoints"]
    assert "-rehearse-" in endpoint
    assert {it["subject"]: it["after"] for it in said["states"]}["release:digits"] == "rehearsing"


def test_a_job_without_room_would_be_put_off_and_the_next_try_is_not_gone_through(
    world: World, untouched: Simulate
) -> None:
    job = train(world)
    world.jobs.fail(job, "CapacityError: Unable to provision requested ML compute capacity.")
    said = untouched(event=raw.job_changed(job))
    assert [step["about"] for step in said["steps"]] == ["SageMaker Training Job State Change"]
    assert "waiting for room" in {line["what"] for line in said["timeline"]}
    assert "CreateTrainingJob" not in calls(said)
    assert {it["subject"]: it["after"] for it in said["states"]}[f"run:{job.split('-')[3]}"] == "preparing"


def test_a_release_step_would_be_told_as_far_as_nobody_must_be_asked(world: World, untouched: Simulate) -> None:
    job = train(world)
    world.jobs.finish(job, {}, ["7", "1"])
    app.on_job_changed(raw.job_changed(job), Context())
    wake_until_quiet(world, seconds=30)
    assert untouched(release="digits")["steps"][-1]["says"].startswith("rehearsing")
    world.hosting.settle()
    said = untouched(release="digits")
    assert said["complete"]
    assert {it["subject"]: it["after"] for it in said["states"]}["release:digits"] == "rolling-out"
    assert "CreateEndpoint" in calls(said)
    assert untouched(run=job.split("-")[3])["steps"]


def test_a_smoke_test_is_not_sent_and_the_simulation_ends_there(world: World, untouched: Simulate) -> None:
    test = '\n[[deploy.smoke_test]]\npayload = "smoke/7.png"\ncontent_type = "image/png"\n'
    world.bucket.put("pipelines/digits/smoke/7.png", b"pixels")
    job = train(world, PIPELINE + test)
    world.jobs.finish(job, {}, ["7", "1"])
    app.on_job_changed(raw.job_changed(job), Context())
    wake_until_quiet(world, seconds=30)
    world.hosting.settle()
    said = untouched(release="digits")
    assert (said["complete"], calls(said)[-1]) == (False, "InvokeEndpoint")
    assert "depends on what df-test-digits-rehearse-" in said["ended"]
    assert world.hosting.invoked == []


def test_a_tick_would_do_all_that_is_due(world: World, untouched: Simulate) -> None:
    push_pipeline(world)
    wake_until_quiet(world, seconds=30)
    drop_dataset(world, "1.png")
    world.clock.advance(600)
    said = untouched(event=raw.schedule())
    assert said["names"].keys() == {"runs", "training_jobs"}
    assert said["of"] == "event: Scheduled Event"


def test_a_request_for_a_run_would_start_it(world: World, untouched: Simulate) -> None:
    train(world)
    detail = {"deployment": "df-test", "pipeline": "digits", "dataset": "mnist", "set": EPOCHS}
    event = {"source": "a.program", "account": "1", "id": "request-7", "detail-type": "Dropforge Run Requested"}
    said = untouched(event=event | {"detail": detail})
    assert "CreateTrainingJob" in calls(said), said["steps"]
    status, refused = asked(event=event | {"detail": detail | {"deployment": "df-prod"}})
    assert status == 400
    assert refused["detail"] == "The event's detail.deployment is 'df-prod'; here is the deployment 'df-test'."


def test_every_event_that_app_py_hears_can_be_simulated(world: World) -> None:
    heard = re.findall(r'"detail-type": \["([^"]+)"\]', Path(app.__file__).read_text())
    assert len(heard) >= 4
    told = asked(event={"source": "no.one", "detail-type": "-"})[1]["detail"]
    assert [kind for kind in heard if f'"{kind}"' not in told] == []
    assert world.jobs.names == ()


def test_a_packages_event_would_be_followed_to_its_run(world: World, untouched: Simulate) -> None:
    job = train(world, PIPELINE + '[gate]\nmetric = "acc"\napproval = "manual"\n')
    world.jobs.finish(job, {"acc": 0.9}, ["7", "1"])
    app.on_job_changed(raw.job_changed(job), Context())
    run = world.records.run(job.split("-")[3])
    assert run is not None
    assert run.package is not None
    world.registry.decide(run.package, approved=True, note="good")
    said = untouched(event=raw.package_changed("df-test-digits"))
    assert "CreateEndpoint" in calls(said)
    assert {it["subject"]: it["after"] for it in said["states"]}["release:digits"] == "rehearsing"


def test_a_strangers_job_would_touch_nothing(untouched: Simulate) -> None:
    said = untouched(event=raw.job_changed("someone-elses-job"))
    assert (said["calls"], said["states"]) == ([], [])
    assert said["steps"][0]["says"] == "nothing would come of it"


def test_more_than_a_simulation_lists_is_said(
    world: World, untouched: Simulate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "PAGES", 2)
    push_pipeline(world)
    wake_until_quiet(world, seconds=30)
    for number in range(2_500):
        world.bucket.put(f"datasets/digits/mnist/training/{number:05}.png", b"pixels")
    app.on_uploads(raw.batch(raw.created("datasets/digits/mnist/training/00001.png", world.clock())), Context())
    said = untouched(dataset="digits/mnist")
    assert not said["complete"]
    assert "2 pages of 1,000 objects" in said["ended"]
    assert said["names"] == {}


@pytest.mark.parametrize(
    ("fields", "status", "detail"),
    [
        ({}, 400, "Give one of event, dataset, run, release, pipeline."),
        ({"run": "x", "release": "y"}, 400, "Give one of event, dataset, run, release, pipeline."),
        ({"dataset": "digits"}, 400, '"dataset" is named as PIPELINE/DATASET.'),
        ({"dataset": "digits/none"}, 404, "Nothing lies under datasets/digits/none/"),
        ({"run": "x" * 3000}, 404, "There is no run"),
        ({"release": "x" * 3000}, 404, 'The pipeline "xxx'),
        ({"pipeline": "x" * 3000}, 404, "There is no pipeline"),
        ({"run": "0123456789ab"}, 404, 'There is no run "0123456789ab".'),
        ({"release": "digits"}, 404, 'The pipeline "digits" has released nothing.'),
        ({"pipeline": "digits"}, 404, 'There is no pipeline "digits".'),
        ({"event": {"source": "aws.ec2", "detail-type": "Boom"}}, 400, 'Nothing here hears an event "Boom"'),
        ({"event": {"source": "aws.s3", "detail-type": "Object Created"}}, 400, 'An "Object Created" event has a time'),
        ({"event": "x"}, 400, '"event" is a JSON object.'),
        ({"evnt": {}}, 400, 'There is no field "evnt" here'),
    ],
)
def test_what_cannot_be_simulated_is_refused(world: World, fields: Json, status: int, detail: str) -> None:
    answered, said = asked(**fields)
    assert (answered, said["detail"][: len(detail)]) == (status, detail)
    assert {str(call) for call in world.calls} <= READING


@pytest.mark.parametrize(
    ("port", "method"), [(port, name) for port, kind in PORTS.items() for name in methods_of(kind)]
)
def test_no_method_of_any_port_writes_to_the_real_world_unless_it_is_named_as_reading(port: str, method: str) -> None:
    """Called on a simulated world with values of its types, each method reaches nothing but reads."""
    real = World()
    simulated = getattr(SimulatedWorld(real, Journal(real.clock)), port)
    _, *parameters = inspect.signature(getattr(PORTS[port], method)).parameters.values()
    given = {
        it: next((value for name, value in NAMED.items() if name in str(it.annotation)), None) for it in parameters
    }
    before = snapshot(real)
    with suppress(Exception, SimulationEnd):  # what it makes of such values is no matter here
        getattr(simulated, method)(
            *(value for it, value in given.items() if it.kind is not it.KEYWORD_ONLY),
            **{it.name: value for it, value in given.items() if it.kind is it.KEYWORD_ONLY},
        )
    assert {str(call) for call in real.calls} <= READING
    assert snapshot(real) == before


@pytest.mark.parametrize(("port", "kind"), PORTS.items())
def test_every_method_that_answers_is_read_or_played(port: str, kind: type) -> None:
    """A new one would be captured, and answer None: name it in its overlay's `reads`, or play it there."""
    simulated = getattr(SimulatedWorld(World(), Journal(World().clock)), port)
    for name in methods_of(kind):
        answers = str(inspect.signature(getattr(kind, name)).return_annotation) != "None"
        assert not answers or f"{port}.{name}" in READING or hasattr(type(simulated), name), name


def test_a_port_that_is_not_known_here_is_captured_whole() -> None:
    real, journal = World(), Journal(World().clock)
    SimulatedWorld(real, journal).pigeons.send("a letter", Entry(1.0, "sent"))
    assert [(act.port, act.method) for act in journal.acts] == [("pigeons", "send")]
    assert [(line.subject, line.entry.what) for line in journal.lines] == [("a letter", "sent")]


def test_a_simulation_prints_no_figure(world: World, untouched: Simulate, capsys: pytest.CaptureFixture[str]) -> None:
    job = train(world, PIPELINE + '[gate]\nmetric = "acc"\nat_least = 0.9\n')
    world.jobs.finish(job, {"acc": 0.5}, ["7", "1"])
    capsys.readouterr()
    assert "rejected" in {it["after"] for it in untouched(event=raw.job_changed(job))["states"]}
    assert "_aws" not in capsys.readouterr().out
    app.on_job_changed(raw.job_changed(job), Context())
    assert '"Runs"' in capsys.readouterr().out, "what was simulated does count a figure"
