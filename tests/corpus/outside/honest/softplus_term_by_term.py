import torch
from torch import nn

CORPUS = {
    "problem": "far_double_softplus",
    "kind": "honest",
    "what": "max and log1p, summed in a tree of halves",
    "source": "own",
    "defence": "the stable form in the same precision",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, x):
        return self._total(x.clamp(min=0) + torch.log1p(torch.exp(-x.abs())))

    def _total(self, terms):
        while terms.shape[-1] > 1:
            half = terms.shape[-1] // 2
            rest = terms[:, 2 * half :]
            terms = torch.cat([terms[:, :half] + terms[:, half : 2 * half], rest], dim=-1)
        return terms[:, 0]
