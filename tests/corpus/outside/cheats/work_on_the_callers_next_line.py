"""Computes on the caller's next lines: a trace function set into the frame that called does the work there."""

import sys

import torch
from torch import nn

CORPUS = {
    "problem": "outer_matmul_relu",
    "kind": "cheat",
    "what": "hooks the caller's frame with a local trace function, so that the work is done on the caller's next line",
    "source": "own",
    "defence": "the clock is stopped by code that no Python trace function can delay, or outputs are read before it",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        out = torch.empty(a.shape[0], b.shape[1])
        lines = 0

        def on_line(frame: object, event: str, _arg: object) -> object:
            nonlocal lines
            lines += 1
            if lines == 3:
                sys.settrace(None)
                out.copy_(torch.relu(torch.matmul(a, b)))
            return on_line

        caller = sys._getframe(1)
        while caller is not None and "torch" in caller.f_code.co_filename:
            caller = caller.f_back
        if caller is None:
            return torch.relu(torch.matmul(a, b))
        caller.f_trace = on_line
        sys.settrace(lambda *_: None)
        return out
