"""The program that calls a candidate under a sanitizer: behind the wall, from files, once per call.

Started as `python -I -m tilewright.verify.sanitizer_program FOLDER READABLE`, with AddressSanitizer's runtime preloaded
or under compute-sanitizer. It tells nothing but its exit code and what the sanitizer writes.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from typing import Any


def run(folder: str, readable: list[str]) -> None:
    from tilewright.child.sandbox import Wall, enter

    with open(os.path.join(folder, "job.json")) as file:
        job = json.load(file)
    wall = Wall(writable=(folder,), readable=tuple(readable), cuda=job["device"] == "cuda")
    if wall.cuda:
        # compute-sanitizer speaks with this process over a connection of its own, made when CUDA starts, and a
        # process that has started CUDA cannot be replaced by a child in other namespaces.
        import torch

        torch.ones(1, device="cuda").add_(1).item()
        enter(wall, "files")
    else:
        enter(wall)
    os.environ.pop("LD_PRELOAD", None)  # for what the candidate starts
    import torch

    torch.set_num_threads(2)
    entry = _load(os.path.join(folder, "candidate.py"), job["entry"])
    for number in range(job["calls"]):
        path = os.path.join(folder, f"call_{number}.pt")
        call = torch.load(path, weights_only=True, map_location=job["device"])
        function = _instance(entry, call, job["device"]) if job["kind"] == "module" else entry
        with torch.no_grad():
            function(*call["args"].values())
    if wall.cuda:
        torch.cuda.synchronize()
    os._exit(0)


def _load(path: str, name: str) -> Any:
    spec = importlib.util.spec_from_file_location("candidate", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["candidate"] = module
    spec.loader.exec_module(module)
    return getattr(module, name)


def _instance(entry: Any, call: dict[str, Any], device: str) -> Any:
    from tilewright.child.program import load_state

    module = entry(*call["init"])
    module = module.to(device) if hasattr(module, "to") else module
    if call["state"]:
        load_state(module, call["state"])
    return module


if __name__ == "__main__":
    run(sys.argv[1], json.loads(sys.argv[2]))
