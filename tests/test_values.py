"""Arguments that are no tensors reach a child as they are: of their own types, whatever these are."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch

from tilewright.child.values import Unsendable, described, restored
from tilewright.outputs import outputs_by_name

VALUES: list[Any] = [
    *(None, True, 3, 2.5, float("inf"), "relu", 1 + 2j),
    *((3, 5), [1.5, (2, [4])], {"a": (1, 2), 3: [None]}, {1, 2}, frozenset({"x"}), torch.Size([2, 3])),
    *(torch.float32, torch.channels_last, torch.strided, torch.device("cpu"), slice(1, None), range(0, 9, 2)),
    *(torch.nn.ReLU, torch.nn.functional.gelu, torch.relu),
]


@pytest.mark.parametrize("value", VALUES, ids=lambda v: type(v).__name__)
def test_a_value_comes_back_with_its_type(value: Any) -> None:
    told = json.loads(json.dumps(described("init.0", value, lambda *_: None)))
    back = restored(told, lambda _: None)
    assert back == value and type(back) is type(value)


def test_tensors_are_found_wherever_they_are() -> None:
    value = {"a": [torch.ones(2), (torch.zeros(3),)]}
    seen: list[str] = []
    told = described("args.x", value, lambda path, tensor: seen.append(path) or tensor.tolist())
    assert seen == ["args.x.0.0", "args.x.0.1.0"]
    assert restored(told, tuple) == {"a": [(1.0, 1.0), ((0.0, 0.0, 0.0),)]}


class Options:
    pass


@pytest.mark.parametrize(
    "value", [Options(), [Options()], lambda x: x, object, torch.Generator()], ids=lambda v: type(v).__name__
)
def test_what_has_no_form_is_named(value: Any) -> None:
    with pytest.raises(Unsendable, match=r"init\.2\S* is a \w+, which cannot be handed"):
        described("init.2", value, lambda *_: None)


PROBLEM = """
    import torch
    from torch import nn

    class Model(nn.Module):
        def __init__(self, dtype, window, nested, options):
            super().__init__()
            assert isinstance(window, tuple) and isinstance(nested[0], list) and isinstance(nested[1], tuple)
            self.dtype, self.scale = dtype, nested[0][0] + options["a"][1] + window[0]

        def forward(self, x):
            return torch.softmax(x.to(self.dtype), -1) * self.scale

    def get_inputs():
        return [torch.randn(24, 32)]

    def get_init_inputs():
        return [torch.float32, (3, 5), [[1.5, 2], (3, [4])], {"a": (1, 2)}]
"""


def test_a_constructor_gets_what_it_was_written_for(tilewright: Any, write: Any) -> None:
    problem = write("p.py", PROBLEM)
    right = PROBLEM.replace("class Model(", "class ModelNew(")
    again = tilewright("check", write("c.py", right), "--problem", problem, "--tier", "screen", "--replay", "7")
    assert again.code == 0 and "PASSED" in again.out
    strange = PROBLEM.replace('{"a": (1, 2)}]', "OPTIONS]").replace("class Model(", "class Options(dict): pass\n\n    "
        "OPTIONS = Options(a=(1, 2))\n\n    class Model(")  # fmt: skip
    ended = tilewright("check", write("c.py", right), "--problem", write("p.py", strange), "--tier", "screen")
    assert ended.code == 2 and "init.3 is a Options, which cannot be handed" in ended.line


def test_outputs_are_named_alike_however_they_are_nested() -> None:
    a, b, c = (torch.full((1,), float(i)) for i in range(3))
    nested = {"x": a, "rest": [b, (c, None)], "note": "a word", "count": 3}
    assert outputs_by_name(nested) == {"x": a, "rest.0": b, "rest.1.0": c}
    assert outputs_by_name((a, [b])) == {"out0": a, "out1.0": b}
    assert outputs_by_name((a,)) == outputs_by_name(a) == {"out": a}
    assert outputs_by_name(3.0) == {"out": 3.0}  # which is no tensor, for the caller to say
    assert outputs_by_name([]) == {}
