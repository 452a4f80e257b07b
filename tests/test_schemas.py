"""Everything on disk has a published schema and a version, is immutable, and keeps what it does not know."""

from __future__ import annotations

import json

import pydantic
import pytest

from tilewright import schemas
from tilewright.candidate import Candidate, Status
from tilewright.measure import Measurement
from tilewright.problem import Cost, Parameter, Problem, Space, Workload
from tilewright.record import Record
from tilewright.results import BenchResult, BenchRow, CheckResult, WorkloadResult
from tilewright.schema import SCHEMA_VERSION, Noun
from tilewright.verify.verdict import Verdict, WorkloadVerdict

NOUNS = schemas.nouns()
WORKLOAD = Workload(name="n", axes={"N": 9}, params={"eps": 1e-6}, weight=2.0, source="Llama")
VERDICT = Verdict(
    status=Status.PASSED,
    tier="measure",
    sandbox="limits",
    seeds=(1,),
    workloads=(WorkloadVerdict(name="n", family="normal", seed=1, status=Status.PASSED),),
)
MEASUREMENT = Measurement(
    median_s=2e-3, ci_low_s=1e-3, ci_high_s=3e-3, samples_s=(1e-3, 2e-3), blocks=2, method="m", state="cold"
)
SAMPLES: list[Noun] = [
    WORKLOAD,
    Cost(bytes_read=1, bytes_written=2, flops={"float32": 3}),
    Candidate(name="c", source="x = 1\n", entry="x", params={"A": 1}),
    Problem(name="p", workloads=(WORKLOAD,), space=Space(parameters=(Parameter(name="A", values=(1, 2), default=1),))),
    VERDICT,
    MEASUREMENT,
    Record(candidate="c", name="n", verdict=VERDICT, measurement=MEASUREMENT),
    BenchResult(rows=(BenchRow(op="p", impl="cpp", workload="n", device="cpu", median_s=1e-3),)),
    CheckResult(
        status="PASSED", target="t", problem="p", device="cpu", tier="screen", sandbox="limits",
        workloads=(WorkloadResult(name="n", status="PASSED"),),
    ),
]  # fmt: skip


@pytest.mark.parametrize("name", NOUNS)
def test_the_committed_schema_is_current(name: str) -> None:
    committed = schemas.FOLDER / f"{name}.json"
    assert committed.is_file(), "run: make schemas"
    assert json.loads(committed.read_text()) == json.loads(schemas.schema(NOUNS[name])), "run: make schemas"


def test_no_schema_is_left_of_a_noun_that_is_gone() -> None:
    assert {p.stem for p in schemas.FOLDER.glob("*.json")} == set(NOUNS)


@pytest.mark.parametrize("name", NOUNS)
def test_every_noun_is_versioned_immutable_and_open(name: str) -> None:
    noun = NOUNS[name]
    assert noun.model_config["frozen"]
    assert noun.model_config["extra"] == "allow"
    assert noun.model_fields["version"].default == SCHEMA_VERSION


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda s: type(s).__name__)
def test_unknown_fields_survive_a_round_trip(sample: Noun) -> None:
    data = json.loads(sample.to_json()) | {"of_a_newer_version": {"deep": [1, None, "text"]}}
    again = type(sample).from_json(json.dumps(data))
    assert json.loads(again.to_json()) == data
    assert again.digest == type(sample).from_json(again.to_json()).digest


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda s: type(s).__name__)
def test_nouns_are_immutable_and_named_by_their_content(sample: Noun) -> None:
    with pytest.raises(pydantic.ValidationError):
        sample.version = 7  # type: ignore[misc]
    assert sample.digest == type(sample).from_json(sample.to_json()).digest


def test_a_schema_rejects_what_the_noun_rejects() -> None:
    with pytest.raises(pydantic.ValidationError):
        Workload.from_json('{"axes": {"N": 9}}')
    assert "name" in json.loads(schemas.schema(Workload))["required"]
