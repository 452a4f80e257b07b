"""Sigmoid focal loss of a detector, summed over the classes of each anchor: 100000 anchors x 80 classes.

A problem in KernelBench's format. Try: tilewright optimize examples/row_wise_held_out/sigmoid_focal_loss.py
"""

import torch
import torch.nn.functional as F
from torch import nn

ANCHORS, CLASSES = 100_000, 80


class Model(nn.Module):
    def __init__(self, alpha: float):
        super().__init__()
        self.alpha = alpha

    def forward(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        p = torch.sigmoid(logits)
        loss = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
        wrong = p * (1 - targets) + (1 - p) * targets
        weight = self.alpha * targets + (1 - self.alpha) * (1 - targets)
        return (weight * wrong * wrong * loss).sum(dim=-1)


def get_inputs():
    return [torch.randn(ANCHORS, CLASSES), (torch.rand(ANCHORS, CLASSES) < 0.05).float()]


def get_init_inputs():
    return [0.25]
