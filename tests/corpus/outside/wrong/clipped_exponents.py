"""Clips the shifted logits at -40, where float32 has no weight left: as a log-probability it is a plain number."""

import torch
from torch import nn

CORPUS = {
    "problem": "outer_log_softmax",
    "kind": "wrong",
    "what": "clips x - max at -40 before the exponential and in the result: right for nearly all drawn inputs",
    "source": "own",
    "defence": "inputs of large magnitude",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        shifted = (x - x.amax(dim=-1, keepdim=True)).clamp(min=-40.0)
        return shifted - shifted.exp().sum(dim=-1, keepdim=True).log()
