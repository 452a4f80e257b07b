"""Log-sum-exp over the vocabulary of logits with a bias, the normaliser of a language model head: 512 x 32000.

A problem in KernelBench's format. Try: tilewright optimize examples/row_wise/logsumexp_bias.py --budget 60s
"""

import torch
from torch import nn

ROWS, VOCABULARY = 512, 32000


class Model(nn.Module):
    def __init__(self, vocabulary: int):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(vocabulary))

    def forward(self, logits: torch.Tensor) -> torch.Tensor:
        return torch.logsumexp(logits + self.bias, dim=-1)


def get_inputs():
    return [torch.randn(ROWS, VOCABULARY)]


def get_init_inputs():
    return [VOCABULARY]
