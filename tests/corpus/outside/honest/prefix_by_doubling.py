"""A running sum in log2(n) doubling steps, as parallel machines do it."""

import torch
from torch import nn

CORPUS = {
    "problem": "outer_prefix_sum",
    "kind": "honest",
    "what": "the Hillis-Steele scan: another tree of additions, with a smaller error than the sequential one",
    "source": "own",
    "defence": "another order of summation is within the reference's own rounding error",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out, step = x.clone(), 1
        while step < x.shape[1]:
            shifted = out.clone()
            shifted[:, step:] += out[:, :-step]
            out, step = shifted, 2 * step
        return out
