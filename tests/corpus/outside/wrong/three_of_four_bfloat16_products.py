"""Both factors in two bfloat16 parts, the product of the low parts left out: 16 bits, nearly float32."""

import torch
from torch import nn

CORPUS = {
    "problem": "outer_matmul_relu",
    "kind": "wrong",
    "what": "float32 from three bfloat16 products: errors of 1e-5, a hundred times float32's own",
    "source": "own",
    "defence": "a tolerance from float32's rounding error",
    "device": "cpu",
}


def parts(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    high = x.bfloat16().float()
    return high, (x - high).bfloat16().float()


class ModelNew(nn.Module):
    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        (a_high, a_low), (b_high, b_low) = parts(a), parts(b)
        return torch.relu(a_high @ b_high + (a_high @ b_low + a_low @ b_high))
