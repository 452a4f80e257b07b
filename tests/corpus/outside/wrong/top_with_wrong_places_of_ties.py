import torch
import torch.nn as nn

CORPUS = {
    "problem": "top_and_places",
    "kind": "wrong",
    "what": "places found by looking the value up: ties give the same place twice",
    "source": "own",
    "defence": "indices of equal elements are free, but none stands twice",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, x):
        v = torch.topk(x, 5, dim=-1).values
        i = (x[:, None, :] == v[:, :, None]).int().argmax(-1)
        return v, i
