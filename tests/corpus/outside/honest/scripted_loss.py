import torch
from torch import nn

CORPUS = {
    "problem": "far_huber",
    "kind": "honest",
    "what": "torch.jit.script on the loss, with the sum in doubles",
    "source": "own",
    "defence": "scripting is no cheat",
    "device": "cpu",
}


@torch.jit.script
def loss(gap: torch.Tensor, beta: float) -> torch.Tensor:
    size = gap.abs()
    near = size < beta
    each = torch.where(near, 0.5 * size * size / beta, size - 0.5 * beta)
    return each.to(torch.float64).mean().to(gap.dtype)


class ModelNew(nn.Module):
    def forward(self, predicted, wanted):
        return loss(predicted - wanted, 0.7)
