import torch
import torch.nn as nn

CORPUS = {
    "problem": "report_parts",
    "kind": "honest",
    "what": "the same report, the count by bincount",
    "source": "own",
    "defence": "outputs are named by their place, in whatever order they come",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, x, flag, extra=None):
        m = x.sum() / x.numel()
        m = x.mean()
        out = {"flag": flag, "none": extra}
        out["parts"] = [torch.max(x, 0).values, (torch.min(x, 1).indices, x.narrow(1, 0, 1))]
        out["count"] = torch.count_nonzero(x > m)
        out["any"] = x.gt(2).sum() > 0
        out["mean"] = m
        return out
