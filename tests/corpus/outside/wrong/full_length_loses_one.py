import torch
from torch import nn

CORPUS = {
    "problem": "far_padded_batch",
    "kind": "wrong",
    "what": "a sample of the full length loses its last place",
    "source": "own",
    "defence": "lengths at the end of their range",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, x, lengths):
        place = torch.arange(x.shape[1])
        outside = place[None] >= lengths[:, None]
        used = place[None] < lengths.clamp(max=x.shape[1] - 1)[:, None]
        return torch.einsum("bld,bl->bd", x, used.to(x.dtype)) / lengths[:, None], outside
