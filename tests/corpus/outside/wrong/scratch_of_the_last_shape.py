import torch
from torch import nn

CORPUS = {
    "problem": "far_wide_softmax",
    "kind": "wrong",
    "what": "keeps scratch by shape and never clears the maximum in it",
    "source": "own",
    "defence": "a row's maximum of earlier calls stays",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def __init__(self):
        super().__init__()
        self.top = {}

    def forward(self, x):
        top = self.top.setdefault(x.shape, torch.full((x.shape[0], 1), float("-inf")))
        torch.maximum(top, x.amax(-1, keepdim=True), out=top)
        weights = torch.exp(x - top)
        return weights / weights.sum(-1, keepdim=True)
