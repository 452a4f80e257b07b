"""The reference of a problem as a candidate: the text that defines it, run by PyTorch as it stands."""

from __future__ import annotations

import inspect
from textwrap import dedent

from .candidate import Candidate
from .problem import Problem


class NoSource(LookupError):
    """The text of a reference is not to be found; one line says of which."""


def plain_candidate(problem: Problem) -> Candidate:
    """Return the reference of `problem` as a candidate. Raises NoSource."""
    source, entry = reference_source(problem)
    if problem.kind == "module":
        source, entry = source + "\n\nclass ModelNew(Model):\n    pass\n", "ModelNew"
    return Candidate(name="eager", source=source, entry=entry, kind=problem.kind, origin="eager")


def reference_source(problem: Problem) -> tuple[str, str]:
    """Return a text that defines the reference, and its name there ("Model" for a module). Raises NoSource.

    A problem that came from a file brings its text; an operator of the library is imported by name.
    """
    if problem.kind == "module":
        if not problem.source:
            raise NoSource(f"{problem.name} brings no source text of its Model")
        return problem.source.rstrip() + "\n", "Model"
    reference = problem.reference
    module, name = getattr(reference, "__module__", ""), getattr(reference, "__name__", "")
    if module.startswith("tilewright.ops."):
        return f"from {module} import {name}\n", name
    if problem.source and f"def {name}(" in problem.source:
        return problem.source.rstrip() + "\n", name
    try:
        text = dedent(inspect.getsource(reference))  # type: ignore[arg-type]
    except (OSError, TypeError) as error:
        raise NoSource(f"the source text of the reference of {problem.name} is not to be found") from error
    return f"import torch\nimport torch.nn.functional as F\n\n\n{text}", name
