"""Runs in its own short-lived process: try a problem file before the trusted process imports it.

Called with two descriptors. From the first it reads JSON {path, text, format, memory_bytes, forward_s, modules,
environment, folder}, the last three those of the caller; to the second it writes JSON lines: {"stage": name} when a
stage begins and, at the end, {"facts": {...}} or {"error": {kind, message}}.
Limits on time and output are the caller's. Imports nothing of ours for KernelBench files.
"""

from __future__ import annotations

import json
import linecache
import os
import resource
import signal
import sys
import threading
import types
from typing import Any


def main(request_fd: int, report_fd: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the caller answers Ctrl-C and ends us
    with os.fdopen(request_fd) as file:
        request = json.load(file)
    report = os.fdopen(report_fd, "w", buffering=1)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.path[:] = request["modules"]

    def tell(**message: Any) -> None:
        report.write(json.dumps(message) + "\n")

    try:
        tell(facts=_probe(request, lambda stage: tell(stage=stage)))
    except SystemExit as error:
        tell(error={"kind": "exit", "message": f"sys.exit({error.code!r})"})
    except MemoryError as error:
        tell(error={"kind": "memory", "message": str(error) or "out of memory"})
    except BaseException as error:  # noqa: BLE001 - whatever user code raises is what we report
        kind = {2: "input", 3: "machine"}.get(getattr(error, "exit_code", 0), "exception")
        tell(error={"kind": kind, "type": type(error).__name__, "message": str(error)[:4000]})
    report.flush()
    os._exit(0)  # threads and exit hooks of the file do not keep us


def _probe(request: dict[str, Any], stage: Any) -> dict[str, Any]:
    import gc

    gc.disable()  # a fifth of the time of the import, which makes no garbage
    import torch

    gc.enable()
    torch.set_num_threads(1)
    stage("import")
    # Private writable memory only: CUDA reserves hundreds of gigabytes of address space that it never touches.
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (request["memory_bytes"], hard))
    if request["format"] not in ("native", "kernelbench"):
        return _surveyed(request, stage)
    module = types.ModuleType("tilewright_probe")
    module.__file__ = request["path"]
    sys.modules[module.__name__] = module
    linecache.cache[request["path"]] = (len(request["text"]), None, request["text"].splitlines(True), request["path"])
    exec(compile(request["text"], request["path"], "exec"), module.__dict__)
    if request["format"] == "native":
        return _native(module, stage)
    return _kernelbench(module, stage, request["forward_s"], request["memory_bytes"])


def _surveyed(request: dict[str, Any], stage: Any) -> dict[str, Any]:
    """Let the format itself look at its problem; what it attempts ends after forward_s, and says nothing then."""
    from importlib import import_module

    from tilewright.formats._source import parse_source

    def attempt(call: Any) -> dict[str, Any]:
        return _within(call, request["forward_s"])

    format = import_module(f"tilewright.formats.{request['format']}")
    return format.survey(parse_source(request["text"], request["path"]), stage, attempt)


def _native(module: types.ModuleType, stage: Any) -> dict[str, Any]:
    from tilewright.problem import Problem

    problem = module.PROBLEM
    if not isinstance(problem, Problem):
        raise TypeError(f"PROBLEM is a {type(problem).__name__}; it must be a tilewright.Problem")
    missing = [n for n in ("reference", "inputs", "workloads") if not getattr(problem, n)]
    if missing:
        raise TypeError(f"PROBLEM has no {', '.join(missing)}; a problem needs reference, inputs and workloads")
    stage("inputs")
    problem.make_inputs(problem.workloads[0], 0)
    return {}


def _kernelbench(module: types.ModuleType, stage: Any, forward_s: float, memory_bytes: int) -> dict[str, Any]:
    import torch

    facts: dict[str, Any] = {}
    stage("shapes")
    planned = _planned(module)
    if planned is not None:
        facts.update(planned)
        if planned["bytes"] > memory_bytes:
            raise MemoryError(json.dumps(planned))
    torch.manual_seed(0)
    stage("inputs")
    init = list(getattr(module, "get_init_inputs", list)())
    arguments = list(module.get_inputs())
    facts["inputs"] = [_describe(a) for a in arguments]
    stage("model")
    model = module.Model(*init)
    facts["state"] = {k: _describe(v) for k, v in model.state_dict().items()}
    stage("forward")
    return facts | _within(lambda: model(*arguments), forward_s)


def _within(call: Any, limit_s: float) -> dict[str, Any]:
    """What the results of `call()` are; nothing after `limit_s`: a slow reference is no fault of the file."""
    box: dict[str, Any] = {}
    thread = threading.Thread(target=_forward, args=(call, box), daemon=True)
    thread.start()
    thread.join(limit_s)
    if "error" in box:
        raise box["error"]
    return box.get("outputs", {})


def _forward(call: Any, box: dict[str, Any]) -> None:
    import torch

    try:
        with torch.no_grad():
            box["outputs"] = _outputs(call())
    except BaseException as error:  # noqa: BLE001 - raised again in the main thread
        box["error"] = error


def _planned(module: types.ModuleType) -> dict[str, Any] | None:
    """Shapes and bytes of inputs and weights, made without data; None if the file does not allow it."""
    import torch

    try:
        with torch.device("meta"), torch.no_grad():
            arguments = list(module.get_inputs())
            model = module.Model(*list(getattr(module, "get_init_inputs", list)()))
            facts = {"inputs": [_describe(a) for a in arguments]}
            facts["state"] = {k: _describe(v) for k, v in model.state_dict().items()}  # type: ignore[assignment]
    except Exception:  # noqa: BLE001 - many files cannot run without data; they are run with data next
        return None
    tensors = [*facts["inputs"], *facts["state"].values()]  # type: ignore[attr-defined]
    facts["bytes"] = sum(t.get("bytes", 0) for t in tensors)  # type: ignore[assignment]
    return facts


def _outputs(result: Any) -> dict[str, Any]:
    from tilewright.outputs import outputs_by_name

    found = outputs_by_name(result)
    return {"outputs": [_describe(v) for v in found.values()], "output_names": list(found)}


def _describe(value: Any) -> dict[str, Any]:
    import torch

    if isinstance(value, list | tuple):
        items = [_describe(v) for v in value]
        return {"kind": "list", "items": items, "bytes": sum(i.get("bytes", 0) for i in items)}
    if not isinstance(value, torch.Tensor):
        return {"kind": type(value).__name__}
    return {
        "kind": "tensor",
        "shape": list(value.shape),
        "dtype": str(value.dtype).removeprefix("torch."),
        "bytes": value.numel() * value.element_size(),
    }


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
