"""Rounds both factors to eleven bits, as TensorFloat-32 does, before an exact product."""

import torch
from torch import nn

CORPUS = {
    "problem": "outer_matmul_relu",
    "kind": "wrong",
    "what": "drops 13 bits of every mantissa before the product: TF32's precision on a float32 problem",
    "source": "KernelBench, TF32 where float32 is due",
    "defence": "a tolerance from float32's rounding error",
    "device": "cpu",
}


def eleven_bits(x: torch.Tensor) -> torch.Tensor:
    bits = x.contiguous().view(torch.int32)
    return ((bits + 0x1000) & ~0x1FFF).view(torch.float32)


class ModelNew(nn.Module):
    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return torch.relu(torch.matmul(eleven_bits(a), eleven_bits(b)))
