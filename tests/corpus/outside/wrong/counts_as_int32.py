import torch
from torch import nn

CORPUS = {
    "problem": "far_report_card",
    "kind": "wrong",
    "what": "the count comes as int32 where the reference gives int64",
    "source": "own",
    "defence": "another dtype",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, x):
        good = x > 0.5
        return {"mean": x.mean(dim=-1), "count": good.sum(dim=-1, dtype=torch.int32), "any": good.any(dim=-1)}
