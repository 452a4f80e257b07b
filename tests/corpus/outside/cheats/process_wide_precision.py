"""Lowers the precision of all matrix products by a setting, and writes the same product as everybody."""

import torch
from torch import nn

CORPUS = {
    "problem": "outer_matmul_relu",
    "kind": "cheat",
    "what": "set_float32_matmul_precision('medium') and bfloat16 backends at import, where the machine has them",
    "source": "KernelBench, TF32 where float32 is due",
    "defence": "a tolerance from float32's rounding error; settings of one process do not reach the baseline's",
    "device": "cpu",
}
torch.set_float32_matmul_precision("medium")
torch.backends.mkldnn.allow_tf32 = True


class ModelNew(nn.Module):
    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return torch.relu(torch.matmul(a, b))
