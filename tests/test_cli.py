"""The command line's contract: exit codes, one JSON object on stdout, help that is quick, near names, clean stops."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import tilewright as tw
from tilewright import api, cli
from tilewright.formats import InputError
from tilewright.search_run import Interrupted

pytestmark = pytest.mark.timed

Run = Callable[..., Any]
COMMANDS = ("device", "ops", "check", "bench", "optimize", "report", "problem")
CHECK_KEYS = {"status", "target", "problem", "device", "tier", "sandbox", "workloads"}
BENCH_KEYS = {
    "op", "impl", "workload", "device", "median_s", "ci_low_s", "ci_high_s", "bound_s", "fraction_of_bound", "method",
    "state", "verified", "speedup",
}  # fmt: skip


def test_starting_imports_nothing_heavy() -> None:
    program = "import sys, tilewright.cli; print([m for m in sys.argv[1:] if m in sys.modules])"
    heavy = ["torch", "pydantic", "numpy", "triton", "rich", "optuna", "jinja2"]
    done = subprocess.run([sys.executable, "-c", program, *heavy], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_help_imports_nothing_heavy_and_names_every_command() -> None:
    program = "import sys, tilewright.cli as c; c.run(['--help']); print({'torch', 'pydantic'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("set()")
    assert all(f"\n  {name}" in done.stdout for name in COMMANDS)


@pytest.mark.parametrize("command", [(c,) for c in COMMANDS if c != "problem"] + [("problem", "validate")])
def test_help_teaches_by_example(tilewright: Run, command: tuple[str, ...]) -> None:
    ended = tilewright(*command, "--help")
    assert ended.code == 0
    assert f"\n  tilewright {' '.join(command)} " in ended.out
    assert "--debug" in ended.out
    assert "--json" in ended.out


def test_every_command_takes_debug_and_json() -> None:
    for command in [*cli.app.registered_commands, *cli.problem_app.registered_commands]:
        assert {"debug", "json"} <= set(command.callback.__annotations__)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("chek", "x"), "No such command 'chek'"),
        (("check",), "Missing argument 'target'; see tilewright check --help"),
        (("check", "x", "--nonsense"), "No such option: --nonsense"),
        (("check", "rms_nrm"), "did you mean rms_norm"),
        (("check", "rms_norm:trition"), "no implementation 'trition'; it has"),
        (("check", "rms_norm", "--tier", "quick"), "no tier 'quick'; choose one of screen, measure, certify"),
        (("check", "rms_norm", "--device", "tpu"), "no device 'tpu'"),
        (("check", "rms_norm:triton", "--target", "hopper"), "no target 'hopper'; name some like sm_80"),
        (("check", "rms_norm", "--problem", "p.py"), "brings its own problem"),
        (("ops", "softmx"), "did you mean softmax"),
        (("bench",), "bench needs a TARGET"),
        (("bench", "rms_norm", "--baseline", "jax"), "no baseline 'jax'; choose from eager, compile"),
        (("bench", "rms_norm", "--workload", "none"), "no workload 'none'; it has"),
        (("bench", "--compare", "no.json", "no.json"), "no.json cannot be read"),
        (("device", "--compare", "no.json", "no.json"), "no.json cannot be read"),
        (("optimize",), "optimize needs a TARGET"),
        (("optimize", "rms_norm", "--budget", "soon"), "'soon' is no duration; write 60s, 10m or 1h"),
        (("optimize", "rms_norm", "--workers", "some"), "how many GPUs"),
        (("optimize", "--resume", "no-such-run"), "no-such-run is not a run"),
        (("report", "no-such-run"), "no-such-run"),
    ],
)
def test_wrong_usage_is_one_clear_line(tilewright: Run, arguments: tuple[str, ...], message: str) -> None:
    ended = tilewright(*arguments)
    assert message in ended.line
    assert ended.line.startswith("tilewright: ")
    assert (ended.code, ended.out) == (2, "")


def test_what_has_no_result_is_one_object_too(tilewright: Run) -> None:
    ended = tilewright("check", "no_such_file.py", "--json")
    told = json.loads(ended.out)
    assert (told["status"], told["exit_code"], ended.code) == ("INPUT_ERROR", 2, 2)
    assert told["detail"] == ended.line.removeprefix("tilewright: ")


def test_strategies_and_proposers_that_do_not_exist(tilewright: Run, problem_file: str, tmp_path: Path) -> None:
    for option in ("--strategy", "--proposer"):
        ended = tilewright("optimize", problem_file, option, "magic", "--out", str(tmp_path / option))
        assert ended.code == 2
        assert "'magic'; there are" in ended.err.splitlines()[-1]


def test_what_this_machine_cannot_do_ends_with_3(tilewright: Run) -> None:
    import torch

    if not torch.cuda.is_available():
        assert tilewright("check", "rms_norm", "--device", "cuda").code == 3
        ended = tilewright("bench", "rms_norm:triton", "--device", "cpu")
        assert ended.code == 3
        assert "tilewright check" in ended.line


def test_another_system_is_told_so(tilewright: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    ended = tilewright("ops")
    assert ended.code == 3
    assert "needs Linux on x86-64" in ended.line


def test_ops_lists_and_shows(tilewright: Run) -> None:
    listed = tilewright("ops", "--json").json["operators"]
    assert {"rms_norm", "softmax", "gemm"} <= {o["name"] for o in listed}
    (shown,) = tilewright("ops", "rms_norm", "--json").json["operators"]
    assert {"reference", "triton", "cpp"} <= set(shown["impls"])
    assert all(w["name"] and w["dtype"] for w in shown["workloads"])
    assert "rms_norm" in tilewright("ops").out


def test_device_describes_this_machine(tilewright: Run) -> None:
    found = tilewright("device", "--device", "cpu", "--json").json
    assert found["kind"] == "cpu"
    assert found["cores"] >= 1
    assert found["environment"]["python"].startswith("3.")
    assert "cpu" in tilewright("device", "--device", "cpu").out


def test_check_says_passed_and_why_not(tilewright: Run, problem_file: str, right_file: str, write: Any) -> None:
    passed = tilewright("check", right_file, "--problem", problem_file, "--tier", "screen", "--json")
    assert passed.code == 0
    assert passed.json.keys() >= CHECK_KEYS
    assert passed.json["status"] == "PASSED"
    assert passed.json["workloads"][0].keys() >= {"name", "status", "error", "allowed", "detail"}
    seed = passed.json["seed"]
    wrong = write("wrong.py", Path(right_file).read_text().replace("addcmul(self.bias, rows", "mul(rows"))
    failed = tilewright("check", wrong, "--problem", problem_file, "--replay", str(seed), "--json")
    assert failed.code == 1
    assert (failed.json["status"], failed.json["seed"]) == ("INCORRECT_NUMERICAL", seed)


def test_compile_facts_of_gpus_that_are_not_here(tilewright: Run) -> None:
    examples = Path(__file__).parents[1] / "examples"
    kernel, problem = examples / "softmax_triton.py", examples / "softmax_problem.py"
    ended = tilewright(
        "check", str(kernel), "--problem", str(problem), "--tier", "screen", "--target", "sm_90,gfx942", "--json"
    )
    assert (ended.code, ended.json["status"]) == (0, "PASSED")
    facts = {f["target"]: f for f in ended.json["facts"]}
    assert set(facts) == {"sm_90", "gfx942"}
    assert all(f["kernel"] == "_softmax_fwd_kernel" and f["registers"] > 0 for f in facts.values())
    assert facts["sm_90"]["spills"] == 0
    assert 0 < facts["sm_90"]["occupancy"] <= 1


def test_bench_rows_stand_beside_bound_and_baseline(
    tilewright: Run, problem_file: str, right_file: str, tmp_path: Path
) -> None:
    out = tmp_path / "stored"
    options = ("--problem", problem_file, "--baseline", "eager", "--device", "cpu", "--out", str(out), "--json")
    ended = tilewright("bench", right_file, *options)
    assert ended.code == 0
    rows = {r["impl"]: r for r in ended.json["rows"]}
    assert set(rows) == {"my_kernel", "eager"}
    for row in rows.values():
        assert row.keys() >= BENCH_KEYS
        assert row["verified"]
        assert 0 < row["ci_low_s"] <= row["median_s"] <= row["ci_high_s"]
        assert row["bound_s"] > 0
        assert row["speedup"]["eager"] > 0
        if row["warm_s"]:  # else a busy machine has left it out
            assert row["warm_ci_s"][0] <= row["warm_s"] <= row["warm_ci_s"][1] and row["warm_bound_s"] > 0
        assert row["eager_s"] is None and row["energy_j"] is None
    assert rows["eager"]["speedup"]["eager"] == 1.0
    assert tilewright("bench", "--compare", str(out), str(out), "--json").json["missing"] == []


NOISY = """
    import os, sys
    from torch import nn
    os.write(1, b"from the candidate\\n" * 1000)
    print("from the candidate")
    class ModelNew(nn.Module):
        def __init__(self, hidden): super().__init__()
        def forward(self, x, index): sys.exit(0)
"""


def test_what_a_candidate_prints_is_not_on_stdout(tilewright: Run, problem_file: str, write: Any) -> None:
    ended = tilewright("check", write("noisy.py", NOISY), "--problem", problem_file, "--json")
    assert ended.code == 1
    assert json.loads(ended.out)["status"] == "RUNTIME_ERROR"
    assert ended.out.count("\n") == 1


def test_a_candidate_that_does_not_parse_has_a_verdict(tilewright: Run, problem_file: str, write: Any) -> None:
    ended = tilewright("check", write("broken.py", "class ModelNew(:\n"), "--problem", problem_file, "--json")
    assert (ended.code, ended.json["status"]) == (1, "COMPILE_ERROR")


def test_a_problem_alone_is_not_checked(tilewright: Run, problem_file: str) -> None:
    ended = tilewright("check", problem_file)
    assert ended.code == 2
    assert "is a problem" in ended.line


def test_problem_validate(tilewright: Run, problem_file: str, write: Any) -> None:
    assert tilewright("problem", "validate", problem_file, "--json").json["status"] == "PASSED"
    text = Path(problem_file).read_text().replace("* self.weight + self.bias", "* 0")
    weak = tilewright("problem", "validate", write("weak.py", text), "--json")
    assert (weak.code, weak.json["status"]) == (1, "WEAK_PROBLEM")
    assert weak.json["weaknesses"]


def test_stored_results_are_compared(tilewright: Run, tmp_path: Path) -> None:
    from tilewright.results import BenchResult, BenchRow

    def store(name: str, **times_s: float) -> str:
        rows = [
            BenchRow(op="o", impl=i, workload="w", device="cpu", median_s=t, ci_low_s=0.99 * t, ci_high_s=1.01 * t)
            for i, t in times_s.items()
        ]
        path = tmp_path / f"{name}.json"
        path.write_text(BenchResult(rows=tuple(rows)).to_json())
        return str(path)

    a = store("a", same=1.0, near=1.0, up=1.0, down=1.0, gone=1.0)
    b = store("b", same=0.999, near=1.01, up=2.0, down=0.5)
    verdicts = {"same": "level", "near": "unclear", "up": "slower", "down": "faster"}
    ended = tilewright("bench", "--compare", a, b, "--json")
    assert {r["impl"]: r["verdict"] for r in ended.json["rows"]} == verdicts
    assert ended.json["missing"] == ["o gone w cpu"]
    assert ended.code == 1
    assert tilewright("bench", "--compare", a, store("c", down=0.5)).code == 0


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("60s", 60), ("1.5m", 90), ("10min", 600), ("2h", 7200), (30, 30), (0.5, 0.5)]
)
def test_durations(text: str | float, seconds: float) -> None:
    assert api.seconds(text) == seconds
    for wrong in ("0", "-3s", "3 parsecs", ""):
        with pytest.raises(InputError):
            api.seconds(wrong)


def test_the_api_works_in_an_event_loop_and_off_the_main_thread(problem_file: str, right_file: str) -> None:
    def call() -> str:
        return str(tw.check(right_file, problem_file, tier="screen").status)

    async def in_a_notebook() -> str:
        return call()

    found: list[str] = []
    thread = threading.Thread(target=lambda: found.append(call()))
    thread.start()
    thread.join()
    assert found == ["PASSED"]
    assert asyncio.run(in_a_notebook()) == "PASSED"


def test_ctrl_c_ends_cleanly_and_says_how_to_go_on(tilewright: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        raise Interrupted(Path("runs/one"))

    monkeypatch.setattr(api, "optimize", interrupted)
    ended = tilewright("optimize", "rms_norm", "--out", "runs/one")
    assert ended.code == 130
    assert ended.line == "stopped; nothing is lost, go on with: tilewright optimize --resume runs/one"


def test_a_defect_of_ours_is_one_line_without_debug(tilewright: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(api, "operators", broken)
    ended = tilewright("ops")
    assert ended.code == 70
    assert "ZeroDivisionError" in ended.line
    assert "Traceback" in tilewright("ops", "--debug").err
