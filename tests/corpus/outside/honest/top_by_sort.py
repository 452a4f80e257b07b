import torch
import torch.nn as nn

CORPUS = {
    "problem": "top_and_places",
    "kind": "honest",
    "what": "the first five of a stable descending sort",
    "source": "own",
    "defence": "work that depends on data is as slow on known content as on new, where both are cold",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, x):
        v, i = torch.sort(x, dim=-1, descending=True, stable=True)
        return v[:, :5], i[:, :5]
