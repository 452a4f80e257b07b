"""KL divergence of the rows of student logits from teacher logits, a distillation loss before its mean: 512 x 32000.

A problem in KernelBench's format. Try: tilewright optimize examples/row_wise/kl_divergence.py --budget 60s
"""

import torch
from torch import nn

ROWS, VOCABULARY = 512, 32000


class Model(nn.Module):
    def forward(self, student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
        log_p = torch.log_softmax(teacher, dim=-1)
        log_q = torch.log_softmax(student, dim=-1)
        return (log_p.exp() * (log_p - log_q)).sum(dim=-1)


def get_inputs():
    return [torch.randn(ROWS, VOCABULARY), torch.randn(ROWS, VOCABULARY)]


def get_init_inputs():
    return []
