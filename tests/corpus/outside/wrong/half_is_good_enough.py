from torch import nn

CORPUS = {
    "problem": "far_report_card",
    "kind": "wrong",
    "what": "counts values of exactly one half as good",
    "source": "own",
    "defence": "seen where a value is 0.5",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, x):
        good = x >= 0.5
        return {"mean": x.mean(dim=-1), "count": good.sum(dim=-1), "any": good.any(dim=-1)}
