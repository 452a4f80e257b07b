"""Inside the child that cross-compiles: go behind the wall, record the launches, compile each, tell the facts.

Started as `python -I -m tilewright.child.cross_program ANSWER_FD`, with the request as JSON on stdin.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from typing import Any

from tilewright.child.sandbox import Wall, enter, limit_memory
from tilewright.child.values import restored


def main() -> None:
    answer_fd = int(sys.argv[1])
    request = json.loads(sys.stdin.read())
    enter(Wall((request["scratch"],), tuple(request["readable"])), "files")  # cuobjdump finds nvdisasm through /proc
    answer: dict[str, Any]
    try:
        answer = {"facts": _facts(request)}
    except BaseException as error:  # noqa: BLE001 - whatever the candidate raises is the answer
        answer = {"error": f"{type(error).__name__}: {error}"[:500]}
    with os.fdopen(answer_fd, "w") as stream:
        json.dump(answer, stream)
    os._exit(0)


def _facts(request: dict[str, Any]) -> list[dict[str, Any]]:
    import torch

    from tilewright.build.triton import facts_of

    limit_memory(request["memory_bytes"])
    entry = getattr(_load(request["source"], request["scratch"]), request["entry"])
    args = [restored(d, _make) for d in request["args"]]
    if request["kind"] == "module":
        entry = entry(*[restored(d, _make) for d in request["init"]])
    found = []
    with torch.no_grad():
        facts = facts_of(lambda: entry(*args), tuple(request["targets"]))
    for name, fact in facts.items():
        kernel, _, target = name.rpartition("@")
        if isinstance(fact, Exception):
            found.append({"kernel": kernel, "target": target, "error": str(fact)[:500]})
        else:
            found.append(fact.model_dump(mode="json"))
    if not found:
        raise RuntimeError("the candidate launched no Triton kernel on this workload")
    return found


def _load(source: str, scratch: str) -> Any:
    path = os.path.join(scratch, "candidate.py")
    with open(path, "w") as file:
        file.write(source)
    spec = importlib.util.spec_from_file_location("candidate", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["candidate"] = module
    spec.loader.exec_module(module)
    return module


def _make(layout: dict[str, Any]) -> Any:
    """A tensor of that layout; nothing reads its memory, so it is never filled."""
    import torch

    return torch.empty_strided(layout["shape"], layout["stride"], dtype=getattr(torch, layout["dtype"]))


if __name__ == "__main__":
    main()
