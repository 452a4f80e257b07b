"""A script -> a recording, made in a process of its own. The script is its user's own and trusted: no wall is around.

A script with a function run() at the top is imported, and run() is called; any other runs once from top to bottom.
"""

from __future__ import annotations

import ast
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter

from ..formats import InputError
from .recorder import Recording


def mode_of(script: str) -> Literal["run", "script"]:
    """Return how `script` is profiled, read from its text. InputError for what is no Python file, or whose run() needs
    arguments."""
    try:
        tree = ast.parse(Path(script).read_text(), script)
    except OSError as error:
        raise InputError(f"{script} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InputError(f"{script} is no text; profile takes a Python file") from None
    except SyntaxError as error:
        raise InputError(f"{script}, line {error.lineno}: {error.msg}; profile takes a Python file") from None
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == "run":
            _check_run(script, node)
            return "run"
    return "script"


def _check_run(script: str, run: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
    if isinstance(run, ast.AsyncFunctionDef):
        raise InputError(f"{script}, line {run.lineno}: run() is async; profile calls a plain run()")
    asked = run.args
    needed = len(asked.posonlyargs) + len(asked.args) - len(asked.defaults)
    needed += sum(default is None for default in asked.kw_defaults)
    if needed:
        raise InputError(
            f"{script}, line {run.lineno}: run() needs {needed} arguments; profile calls run() without any, so give "
            "them defaults or make the inputs at the top of the file"
        )


def record_script(
    script: str, arguments: Sequence[str], *, warmup: int, runs: int, problems: bool, trace: Path | None
) -> Recording:
    """Run `script` with `arguments` under the profiler. InputError where it does not run to its end."""
    request = {
        "script": script,
        "arguments": list(arguments),
        "mode": mode_of(script),
        "warmup": warmup,
        "runs": runs,
        "problems": problems,
        "trace": str(trace.absolute()) if trace else "",
    }
    with tempfile.TemporaryDirectory(prefix="tilewright-profile-") as folder:
        asked, answer = Path(folder, "request.json"), Path(folder, "recording.json")
        asked.write_text(json.dumps(request))
        code = _ended([sys.executable, "-P", "-m", "tilewright.profile.program", str(asked), str(answer)])
        text = answer.read_bytes() if answer.exists() else b""
    if not text:
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        raise InputError(f"{script} ended its process with {how} before a recording was made")
    if text.startswith(b'{"stopped"'):
        stopped = json.loads(text)
        error = InputError(stopped["stopped"])
        error.add_note(stopped["traceback"])
        raise error
    return TypeAdapter(Recording).validate_json(text)


def _ended(command: list[str]) -> int:
    """Run `command` with its stdout on our stderr, and return its exit code. Ctrl-C reaches us, and we end it."""
    with subprocess.Popen(command, stdout=2, env=_environment(), start_new_session=True) as process:
        try:
            return process.wait()
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise


def _environment() -> dict[str, str]:
    """The environment as the user gave it: without the waiting policy that this process set for itself, with which the
    script's own threads would be slower."""
    environment = dict(os.environ)
    try:
        given = Path("/proc/self/environ").read_bytes()
    except OSError:
        return environment
    if b"OMP_WAIT_POLICY=" not in given:
        environment.pop("OMP_WAIT_POLICY", None)
    return environment
