import torch
from torch import nn

CORPUS = {
    "problem": "far_counts",
    "kind": "wrong",
    "what": "counts in int8 within parts of 512, so that 128 of one kind in a part are lost",
    "source": "own",
    "defence": "wrong where one number is frequent",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, x):
        out = torch.zeros(130, dtype=torch.int64)
        for part in x.split(512):
            out += torch.bincount(part, minlength=130).clamp(max=127)
        return out
