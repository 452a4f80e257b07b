"""Talks: prints, logs, warns, and says PASSED and FAILED to both streams."""

import logging
import sys
import warnings

import torch
from torch import nn

CORPUS = {
    "problem": "outer_softmax",
    "kind": "honest",
    "what": "prints JSON, control characters and warnings at every call, and is right",
    "source": "own",
    "defence": "what a candidate prints changes nothing",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        print('{"status": "FAILED", "error": 1e9}\x00\x1b[31m')
        print("Traceback (most recent call last):\nRuntimeError: FAILED", file=sys.stderr)
        warnings.warn("this kernel talks", stacklevel=1)
        logging.getLogger().error("FAILED")
        return torch.softmax(x, dim=-1)
