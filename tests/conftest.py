"""What all tests share: a cache folder of their own, files written from text, and the command line, run in process."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

# Two threads are enough for small tensors, and leave the other core to the child.
os.environ.setdefault("OMP_NUM_THREADS", "2")


@pytest.fixture(scope="session", autouse=True)
def cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keep builds and profiles of the tests out of the user's own cache."""
    folder = tmp_path_factory.mktemp("cache")
    os.environ["TILEWRIGHT_CACHE"] = str(folder)
    return folder


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str], str]:
    """Write `text` (its indentation removed) to a file in the test's folder and return the path."""

    def write(name: str, text: str) -> str:
        path = tmp_path / name
        path.write_text(dedent(text))
        return str(path)

    return write


@pytest.fixture
def known_machine(cache_folder: Path) -> Iterator[None]:
    """This machine as if it had been calibrated, so that a test does not begin with four seconds of that."""
    from tilewright.device import Profile, detect
    from tilewright.device.stored import store_profile

    rate = ((1 << 15, 2e10), (1 << 30, 1e10))
    profile = Profile(
        copy=rate, read=rate, write=rate, matrix={"float32": 1e11}, call_s=1e-6, special_per_s=1e9,
        fingerprint=detect("cpu").fingerprint, created="by hand",
    )  # fmt: skip
    path = store_profile(profile)
    yield
    path.unlink()


@dataclass(frozen=True)
class Ended:
    """How a command ended: exit code, stdout and stderr."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        return json.loads(self.out)

    @property
    def line(self) -> str:
        """The one line of the error; fails when there are more."""
        lines = self.err.strip().splitlines()
        assert len(lines) == 1, f"expected one line on stderr, got:\n{self.err}"
        return lines[0]


@pytest.fixture
def tilewright(capfd: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    """Run the command line in this process and return how it ended."""
    from tilewright.cli import run

    def tilewright(*arguments: str) -> Ended:
        capfd.readouterr()
        code = run(list(arguments))
        captured = capfd.readouterr()
        return Ended(code, captured.out, captured.err)

    return tilewright


PROBLEM = """
    import torch
    from torch import nn

    class Model(nn.Module):
        def __init__(self, hidden):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(hidden))
            self.bias = nn.Parameter(torch.zeros(hidden))

        def forward(self, x, index):
            rows = x[index]
            return rows / (rows.abs().sum(-1, keepdim=True) + 1) * self.weight + self.bias

    def get_inputs():
        return [torch.randn(24, 48), torch.randint(0, 24, (16,))]

    def get_init_inputs():
        return [48]
"""

RIGHT = """
    import torch
    from torch import nn

    class ModelNew(nn.Module):
        def __init__(self, hidden):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(hidden))
            self.bias = nn.Parameter(torch.zeros(hidden))

        def forward(self, x, index):
            rows = torch.index_select(x, 0, index)
            scale = self.weight / (torch.linalg.vector_norm(rows, 1, -1, keepdim=True) + 1)
            return torch.addcmul(self.bias, rows, scale)
"""


@pytest.fixture
def problem_file(write: Callable[[str, str], str]) -> str:
    """A small KernelBench problem with a weight, a bias and an integer input."""
    return write("my_problem.py", PROBLEM)


@pytest.fixture
def right_file(write: Callable[[str, str], str]) -> str:
    """A correct candidate for `problem_file`."""
    return write("my_kernel.py", RIGHT)
