"""The process that a profiled script runs in: `python -m tilewright.profile.program REQUEST RESULT`.

REQUEST is a JSON file that says what to run, RESULT the file that the recording, or the reason why there is none, is
written to. The script runs as its user would run it: its folder is the first of sys.path, sys.argv are its arguments,
and what it prints goes where the caller put stdout.
"""

from __future__ import annotations

import json
import os
import runpy
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import TypeAdapter

from .recorder import Recording, record, record_once

IMPORTED_AS = "profiled"  # __name__ of a script that defines run(): its `if __name__ == "__main__"` part stays out


class Stopped(Exception):
    """The script did not run to its end; the message says where, the cause is what it raised."""


def main(request_path: str, result_path: str) -> None:
    """Run what `request_path` asks for, and write what came of it."""
    request = json.loads(Path(request_path).read_text())
    script, trace = request["script"], Path(request["trace"]) if request["trace"] else None
    sys.argv = [script, *request["arguments"]]
    sys.path.insert(0, os.path.dirname(os.path.abspath(script)))
    kept = {"problems": request["problems"], "trace": trace, "say": _say}
    try:
        if request["mode"] == "run":
            run = _told(script, lambda: _imported(script)).run
            found = record(lambda: _told(script, run), warmup=request["warmup"], runs=request["runs"], **kept)
        else:
            found = record_once(lambda: _told(script, lambda: runpy.run_path(script, run_name="__main__")), **kept)
    except Stopped as stop:
        told = "".join(traceback.format_exception(stop.__cause__))
        Path(result_path).write_text(json.dumps({"stopped": str(stop), "traceback": told}))
        return
    Path(result_path).write_bytes(TypeAdapter(Recording).dump_json(found))


def _imported(script: str) -> ModuleType:
    """The script as a module, which the classes in it find by its name, and which leaves no file behind."""
    module = ModuleType(IMPORTED_AS)
    module.__file__ = script
    sys.modules[IMPORTED_AS] = module
    exec(compile(Path(script).read_bytes(), script, "exec"), module.__dict__)
    return module


def _told(script: str, call: Callable[[], Any]) -> Any:
    """Call it; what it raises becomes one line with the place in the script. A script may end itself with 0."""
    try:
        return call()
    except SystemExit as end:
        if end.code in (None, 0):
            return None
        raise Stopped(f"{script} ended itself with {end.code!r}") from end
    except Exception as error:
        raise Stopped(f"{_place(script, error)}: {type(error).__name__}: {error}") from error


def _place(script: str, error: Exception) -> str:
    """The script with the line that the error passed through last."""
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == script]
    return f"{script}, line {lines[-1]}" if lines else script


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:3])
