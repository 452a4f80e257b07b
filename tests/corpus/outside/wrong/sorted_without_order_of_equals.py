import torch
from torch import nn

CORPUS = {
    "problem": "far_sorted_rows",
    "kind": "wrong",
    "what": "equal keys come in reverse order of their places, though the reference's sort is stable",
    "source": "own",
    "defence": "places of equal keys",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, keys):
        values, places = torch.sort(keys.flip(-1), dim=-1, stable=True)
        return values, keys.shape[-1] - 1 - places
