"""Gathers by the embedding operator and scales in place."""

import torch
from torch import nn

CORPUS = {
    "problem": "outer_gather_rows",
    "kind": "honest",
    "what": "casts the row numbers to int32 and scales the gathered copy in place",
    "source": "own",
    "defence": "in-place work on memory of its own changes no input",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, table: torch.Tensor, rows: torch.Tensor, gain: torch.Tensor) -> torch.Tensor:
        return nn.functional.embedding(rows.int(), table).mul_(gain[:, None])
