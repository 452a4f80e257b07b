import torch
from torch import nn

CORPUS = {
    "problem": "far_report_card",
    "kind": "honest",
    "what": "a dict whose keys come in another order",
    "source": "own",
    "defence": "a dict is told by its keys",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, x):
        good = torch.gt(x, 0.5)
        found = {"any": good.amax(dim=-1), "count": torch.count_nonzero(good, dim=-1)}
        found["mean"] = torch.mv(x, x.new_ones(x.shape[-1])) / x.shape[-1]
        return found
