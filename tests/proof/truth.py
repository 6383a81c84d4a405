"""What must hold, whatever went wrong: each invariant by its name, compared with what SageMaker and the bucket hold."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

from chalicelib.decide.identity import listing_digest
from chalicelib.decide.stage import stage_of
from chalicelib.model import (
    Dataset,
    DatasetId,
    DatasetState,
    Entry,
    Release,
    ReleaseStage,
    Run,
    RunState,
    S3Object,
    Target,
)
from chalicelib.names import run12
from chalicelib.news import DATASET, RUN
from chalicelib.wiring import Aws
from tests.proof.cloud.sagemaker import Did, Job
from tests.proof.stories import PIPELINE, End
from tests.proof.unwanted import trained_on
from tests.proof.world import SETTINGS, World

INVARIANTS = {
    "rests": "everything comes to rest within days of the last fault and event",
    "no-surprise": "no error that nobody planned for, and no call that AWS would not take",
    "true": "every dataset, run and release is in a final or waiting state, and SageMaker and the bucket agree",
    "paid-once": "one training job an attempt at most, one package a run, and no attempt without a reason",
    "nothing-forgotten": "no job runs on and no endpoint stays up that nobody wants; no model, no configuration either",
    "rehearsed": "clients meet no configuration that has not passed its smoke tests on an endpoint beside",
    "served-throughout": "what clients meet is never taken away, nor what it needs",
    "champion": "in the end clients meet the best model that was to be had, and are told which",
    "told": "the status of every drop says what became of it",
    "heard": "every state is told on the bus, none that never was, in an order that its numbers give",
    "timeline": "each timeline tells every attempt, generation and end once, in an order that can have been",
}
ENDPOINT = SETTINGS.names.endpoint(PIPELINE)
TAKEN_BACK = "the run ended before it was started"
_ENDS = {state.value for state in RunState if state.final}


def _ends_again(line: Entry) -> bool:
    """Tell whether a run that had ended may end once more: tried again, or turned away by a person, not by its gate."""
    return line.what.startswith(("trying again: wanted", "retr")) or (line.what == "rejected" and "by" in line.facts)


def broken(world: World, end: End, *, lenient: bool = False, calm: bool = False, answered: bool = False) -> list[str]:
    """Name what does not hold, as `invariant: what`.

    `lenient`: a smoke test may have failed for want of an answer. `calm`: nothing at all went wrong. `answered`: every
    call was answered, whoever made it when.
    """
    unknown = [f"no-surprise: this cloud does not know {name}" for name in world.account.wire.unknown]
    judge = Judge(world, end, lenient=lenient, calm=calm, answered=answered)
    return [*dict.fromkeys(world.failed), *unknown, *judge.all()]


class Judge:
    def __init__(self, world: World, end: End, *, lenient: bool, calm: bool, answered: bool) -> None:
        account = world.account
        account.wire.planned.clear()
        account.wire.choose = None
        self.world = world
        self.end = end
        self.lenient = lenient
        self.calm = calm
        self.answered = answered
        self.account = account
        self.sagemaker = account.sagemaker
        self.aws = Aws(SETTINGS, account.clients("judge"), account.clock)
        self.records = self.aws.records
        self.release = self.records.release(PIPELINE) or Release(PIPELINE)
        self.datasets = {name: self.records.dataset(DatasetId(PIPELINE, name)) for name in sorted(self._dropped())}
        names = {dataset.run for dataset in self.datasets.values() if dataset is not None and dataset.run}
        self.runs = {
            key.removeprefix("run#"): self.records.run(key.removeprefix("run#"))
            for key, kind in account.dynamodb.items
            if kind == "run"
        }
        self.missing = sorted(names - {run.id for run in self.runs.values() if run is not None})

    def all(self) -> Iterator[str]:
        for name, check in (
            ("true", self._pipeline),
            ("true", self._datasets),
            ("true", self._runs),
            ("true", self._release),
            ("paid-once", self._paid),
            ("nothing-forgotten", self._forgotten),
            ("rehearsed", self._rehearsed),
            ("served-throughout", self._served),
            ("champion", self._champion),
            ("told", self._told),
            ("told", self._pipeline_told),
            ("heard", self._heard),
            ("timeline", self._run_timelines),
            ("timeline", self._release_timeline),
        ):
            yield from (f"{name}: {what}" for what in check())

    def _dropped(self) -> set[str]:
        head = f"bucket/datasets/{PIPELINE}/"
        there = {key.removeprefix(head).split("/")[0] for key in self.account.s3.things if key.startswith(head)}
        known = {pk.partition("/")[2] for pk, kind in self.account.dynamodb.items if kind == "dataset"}
        return there | known

    # Every dataset, run and release says what is so.

    def _datasets(self) -> Iterator[str]:
        yield from (f"there is no run {name}" for name in self.missing)
        for name, dataset in self.datasets.items():
            if dataset is None:
                yield f"nobody knows the dataset {name}"
            elif dataset.state is DatasetState.REFUSED and dataset.due is None and self._may_be_refused(dataset):
                continue
            elif dataset.state is not DatasetState.SEALED or dataset.due is not None:
                yield f"the dataset {name} is {dataset.state}, due {dataset.due}: {dataset.waiting or dataset.reason}"
            elif dataset.digest != self._digest(dataset):
                yield f"the dataset {name} was sealed with other files than it has"

    def _may_be_refused(self, dataset: Dataset) -> bool:
        return self.lenient or self.end.refused.get(dataset.id.name, "-") in str(dataset.reason)

    def _digest(self, dataset: Dataset) -> str:
        """Digest what lies in the folder, or elsewhere, in no other way than the definition says."""
        own = {"": f"s3://{SETTINGS.bucket}/datasets/{dataset.id}/"}
        places = {f"{channel}/": uri for channel, uri in dataset.sources.items()} or own
        return listing_digest(each for channel in sorted(places) for each in self._under(channel, places[channel]))

    def _under(self, channel: str, uri: str) -> Iterator[tuple[str, S3Object]]:
        bucket, _, head = uri.removeprefix("s3://").partition("/")
        for it in self.account.s3.under(bucket, head):
            yield channel + it.key.removeprefix(head), S3Object(it.key, len(it.body), it.etag)

    def _pipeline(self) -> Iterator[str]:
        record = self.records.pipeline(PIPELINE)
        if record is None or record.due is not None or record.state != self.end.pipeline:
            yield f"the pipeline is {record}, and should be {self.end.pipeline}"

    def _runs(self) -> Iterator[str]:
        for name, run in self.runs.items():
            waits = run is not None and run.due is not None and self.world.awaits_a_person(name)
            if run is None or not run.state.final or (run.due is not None and not waits):
                yield f"the run {name} is {run.state if run else None}, due {run.due if run else None}"
                continue
            job = self.sagemaker.jobs.get(run.candidate.job) if run.candidate else None
            yield from self._run(run, job)

    def _run(self, run: Run, job: Job | None) -> Iterator[str]:
        status, name = job.status if job else "absent", run12(run.id)
        match run.state:
            case RunState.REGISTERED:
                if status != "Completed" or not self._packages(run):
                    yield f"{name} is registered; its job is {status}, its packages are {self._packages(run)}"
            case RunState.REJECTED:
                if status != "Completed":
                    yield f"{name} is rejected; its job is {status}"
            case RunState.FAILED:
                if status != "Failed" and not self.end.strange:
                    yield f"{name} failed ({run.reason}); its job is {status}"
            case _:
                if not (run.superseded or run.stopping) or status not in {"absent", "Stopped", "Completed", "Failed"}:
                    yield f"{name} is {run.state} ({run.reason}); its job is {status}"
        wanted = [dataset for dataset in self.datasets.values() if dataset and dataset.run == run.id]
        if not wanted and not run.superseded and not run.state.final:
            yield f"no dataset holds {name}, and nobody told it"
        if wanted and run.state is RunState.STOPPED and not run.stopping:
            yield f"{name} is stopped, and {wanted[0].id} holds it"

    def _release(self) -> Iterator[str]:
        it = self.release
        if (it.stage, it.pending, it.lease, it.due) != (ReleaseStage.IDLE, None, None, None):
            yield f"the release is {it.stage}, pending {it.pending}, leased {it.lease}, due {it.due}"
        if self.answered and it.clearing:
            yield f"nobody died, and the release is still being cleared by {it.clearing}"
        if (it.desired.digest if it.desired else None) != (it.live.digest if it.live else None):
            yield f"the release wants {it.desired}, and {it.live} is live"

    # Money.

    def _paid(self) -> Iterator[str]:
        jobs = self.sagemaker.jobs
        if len(jobs) > self.end.jobs:
            yield f"{len(jobs)} training jobs where {self.end.jobs} are enough: {sorted(jobs)}"
        stopped = sum(job.status == "Stopped" for job in jobs.values())
        if self.calm and stopped != self.end.stopped:
            yield f"{stopped} training jobs were stopped, not {self.end.stopped}"
        for name, run in self.runs.items():
            attempts = run.candidate.attempt if run and run.candidate else 0
            mine = sorted(job for job in jobs if name in job)
            numbers = range(1, max(attempts, len(mine)) + 1)  # one may lack: it was over before its job was started
            if run and not {*mine} <= {SETTINGS.names.job(PIPELINE, run.id, 0, each) for each in numbers}:
                yield f"{name} has the jobs {mine}"
            taken_back = sum(line.facts.get("why") == TAKEN_BACK for line in self._lines(f"run:{name}"))
            if len(mine) > attempts + self._strange(name) + taken_back:
                yield f"{name} says {attempts} attempts and has {len(mine)} jobs"
            if run and len(self._packages(run)) > 1:
                yield f"{name} has {len(self._packages(run))} packages"

    def _packages(self, run: Run) -> list[str]:
        found = self.sagemaker.packages.values()
        return [it.arn for it in found if it.asked["CustomerMetadataProperties"].get("run") == run.id]

    def _forgotten(self) -> Iterator[str]:
        running = [job.name for job in self.sagemaker.jobs.values() if job.ended is None]
        yield from (f"{name} runs on" for name in running)
        for name in self.runs:
            mine = [job for job in self.sagemaker.jobs.values() if name in job.name]
            yield from trained_on(self._lines(f"run:{name}"), mine)
        wanted = {ENDPOINT} if self.release.live else set()
        yield from (f"the endpoint {name} is up" for name in sorted(set(self.sagemaker.endpoints) - wanted))
        kept = [it for it in (self.release.live, self.release.previous, self._retired()) if it is not None]
        unborn = self._overtaken_unborn() if self.lenient else set()
        models = {it.model for it in kept} | {self.sagemaker.configs[each]["model"] for each in unborn}
        configs = {it.config for it in kept} | unborn
        yield from (f"the model {name} is left" for name in sorted(set(self.sagemaker.models) - models))
        yield from (f"the configuration {name} is left" for name in sorted(set(self.sagemaker.configs) - configs))

    def _overtaken_unborn(self) -> set[str]:
        """Name what is left of rehearsals that were given up before they came up, as another had its turn."""
        found: set[str] = set()
        coming: dict[str, str] = {}
        for did in self.sagemaker.history:
            if "-rehearse-" in did.name and did.what == "created":
                found |= {config for name, config in coming.items() if name != did.name}
                coming[did.name] = did.config
            elif did.what == "in service":
                coming.pop(did.name, None)
        return found & set(self.sagemaker.configs)

    def _retired(self) -> Target | None:
        return self.release.retired

    # Clients.

    def _rehearsed(self) -> Iterator[str]:
        passed: set[str] = set()
        for did in self.sagemaker.history:
            if did.what == "invoked" and "-rehearse-" in did.name:
                passed = passed | {did.config} if did.right else passed - {did.config}
            if did.what in {"created", "updated", "in service"} and did.name == ENDPOINT and did.config not in passed:
                yield f"clients' endpoint was {did.what} with {did.config}, which was not rehearsed"

    def _served(self) -> Iterator[str]:
        for did in self.sagemaker.history:
            if not did.unused and (did.name == ENDPOINT or did.what in {"config deleted", "model deleted"}):
                if self._was_undeployed(did) or (self.lenient and self.release.live is None):
                    continue  # clients never met it: its last smoke test had no answer
                yield f"{did.what} while it was in use: {did.name}"

    def _was_undeployed(self, did: Did) -> bool:
        """Tell whether a person had ordered it, nothing went live since, and clients were told."""
        ordered, live = False, False
        for (subject, sort), item in self.account.dynamodb.written[: did.writes]:
            said = json.loads(item["doc"]["S"]) if item is not None and "doc" in item else {}
            if subject == f"serving#{PIPELINE}":
                live = said["live"]
            if subject == f"release#{PIPELINE}" and sort.startswith("at#"):
                ordered = said["what"] == "undeploy asked for" or (ordered and said["what"] != "live")
        return ordered and not live

    def _champion(self) -> Iterator[str]:
        live, seen = self.release.live, self.sagemaker.endpoints.get(ENDPOINT)
        serving = self.records.serving(PIPELINE)
        if live is None:
            if seen is not None or (serving is not None and serving.live):
                yield f"nothing is live; the endpoint is {seen}, clients are told {serving}"
        elif seen is None or (seen.status, seen.config) != ("InService", live.config):
            yield f"{live.config} is live; the endpoint is {seen}"
        elif serving is None or (serving.live, serving.exact, serving.run) != (True, True, run12(live.run)):
            yield f"{run12(live.run)} is live; clients are told {serving}"
        if not self.lenient:
            yield from self._best(live.run if live else None)

    def _best(self, live: str | None) -> Iterator[str]:
        wanted = self.datasets.get(self.end.live or "")
        if live != (wanted.run if wanted else None):
            yield f"{live} is live, not {self.end.live}"
        if self.release.live is not None:
            [variant] = self.sagemaker.configs[self.release.live.config]["ProductionVariants"]
            if variant["InstanceType"] != self.end.instance:
                yield f"it is served by {variant['InstanceType']}, not {self.end.instance}"

    # What is told.

    def _told(self) -> Iterator[str]:
        for name, dataset in self.datasets.items():
            thing = self.account.s3.things.get(f"bucket/status/{PIPELINE}/{name}.json")
            run = self.runs.get(run12(dataset.run)) if dataset and dataset.run else None
            said = json.loads(thing.body) if thing else {}
            if dataset is None or (run is None and dataset.state is DatasetState.SEALED):
                continue
            if run is None or dataset.state is not DatasetState.SEALED:
                yield from self._says_why(name, dataset, said)
            else:
                yield from self._says(name, dataset, said, stage_of(run, self.release))

    def _says_why(self, name: str, dataset: Dataset, said: dict[str, Any]) -> Iterator[str]:
        if (said.get("state"), said.get("reason")) != (dataset.state.value, dataset.reason or dataset.waiting):
            yield f"the status of {name} says {said}; it is {dataset.state}: {dataset.reason}"

    def _was_live(self, run: str) -> bool:
        """Tell whether clients were ever told that this run's model alone answers."""
        written = (item for (subject, _), item in self.account.dynamodb.written if subject == f"serving#{PIPELINE}")
        told = [json.loads(item["doc"]["S"]) for item in written if item is not None and "doc" in item]
        return any(said["live"] and said["exact"] and said["run"] == run for said in told)

    def _pipeline_told(self) -> Iterator[str]:
        thing, record = self.account.s3.things.get(f"bucket/status/{PIPELINE}.json"), self.records.pipeline(PIPELINE)
        said = json.loads(thing.body) if thing else {}
        if record and (said.get("state"), said.get("version")) != (record.state, record.version):
            yield f"the status of the pipeline says {said}; it is {record.state} with {record.version}"

    def _says(self, name: str, dataset: Dataset, said: dict[str, Any], stage: str) -> Iterator[str]:
        told = (said.get("state"), said.get("stage"), said.get("run"))
        if told != (dataset.state.value, stage, run12(dataset.run or "")):
            yield f"the status of {name} says {told}; it is {stage}"
        if self.lenient:
            return
        late = self._was_live(run12(dataset.run or "")) and stage == self.end.late.get(name)
        if stage != self.end.stages.get(name) and not late:
            yield f"{name} is {stage} ({said.get('reason')}), and should be {self.end.stages.get(name)}"
        if name in self.end.failed and self.end.failed[name] not in str(said.get("reason")):
            yield f"{name} is said to be {stage} because: {said.get('reason')}"

    def _heard(self) -> Iterator[str]:
        """Follow each subject by the numbers of its events: each begins where the one before ended."""
        events: dict[tuple[str, ...], dict[int, dict[str, Any]]] = {}
        for told in self.account.events.published:
            detail = told.detail
            kind, run = told.kind, detail["run"] if "Run" in told.kind or "Approval" in told.kind else None
            dataset = detail["dataset"] if "Dataset" in kind else None
            known = events.setdefault((kind, detail["pipeline"], str(run), str(dataset)), {})
            if known.setdefault(detail["sequence"], detail) != detail:
                yield f"two events have one number: {known[detail['sequence']]} and {detail}"
        for subject, numbered in events.items():
            yield from self._follow(" ".join(subject), [numbered[number] for number in sorted(numbered)])
        if any(pk.startswith("outbox#") for pk, _ in self.account.dynamodb.items):
            yield "there is mail in the outbox"
        yield from self._unheard(events)

    def _follow(self, subject: str, told: list[dict[str, Any]]) -> Iterator[str]:
        if subject.startswith("Dropforge Approval"):
            return
        for before, after in pairwise([{"state": None}, *told]):
            if after["previousState"] != before["state"]:
                yield f"{subject}: {after['state']} after {after['previousState']}, and {before['state']} was told"

    def _unheard(self, events: Mapping[tuple[str, ...], Mapping[int, Mapping[str, Any]]]) -> Iterator[str]:
        last = {subject: numbered[max(numbered)]["state"] for subject, numbered in events.items()}
        for name, run in self.runs.items():
            told = last.get((RUN, PIPELINE, name, "None"))
            if run is not None and told != run.state.value:
                yield f"{name} is {run.state}; {told} was told last"
        for name, dataset in self.datasets.items():
            told = last.get((DATASET, PIPELINE, "None", name))
            if dataset is not None and told != dataset.state.value:
                yield f"{name} is {dataset.state}; {told} was told last"

    def _lines(self, subject: str) -> list[Entry]:
        lines: list[Entry] = []
        after: str | None = None
        while True:
            page = self.records.timeline(subject, after=after, limit=100)
            lines += page.items
            if (after := page.next) is None:
                return lines

    def _run_timelines(self) -> Iterator[str]:
        for name, run in self.runs.items():
            lines = self._lines(f"run:{name}")
            started = Counter(line.facts["attempt"] for line in lines if line.what == "training started")
            taken_back = sum(line.facts.get("why") == TAKEN_BACK for line in lines)
            jobs = sum(name in job for job in self.sagemaker.jobs) - self._strange(name) - taken_back
            if any(count > 1 for count in started.values()) or len(started) != jobs:
                yield f"{name} has {jobs} jobs and tells of the attempts {dict(started)}"
            ends = [line.what for line in lines if line.what in _ENDS]
            again = sum(_ends_again(line) for line in lines)
            if run is not None and (not 1 <= len(ends) <= 1 + again or run.state.value not in ends):
                yield f"{name} is {run.state} and tells of the ends {ends}"

    def _strange(self, run12: str) -> int:
        """Count the jobs that another made under the run's name."""
        mine = [job for name, job in self.sagemaker.jobs.items() if run12 in name]
        return sum("DROPFORGE_REQUEST" not in job.asked["Environment"] for job in mine)

    def _release_timeline(self) -> Iterator[str]:
        lines = self._lines(f"release:{PIPELINE}")
        started = [line.facts["generation"] for line in lines if line.what == "started"]
        if sorted(map(str, started)) != sorted(str(each + 1) for each in range(self.release.generation)):
            yield f"the release is at generation {self.release.generation} and tells of {started}"
        counts = Counter(line.what for line in lines)
        if counts["live"] > counts["rehearsal passed"]:
            yield f"the release tells of {counts['live']} models live, {counts['rehearsal passed']} rehearsed"
        live = self.release.live
        if (live is None) == (counts["live"] > 0) and self._retired() is None:
            yield f"{live} is live, and the timeline tells so {counts['live']} times"
