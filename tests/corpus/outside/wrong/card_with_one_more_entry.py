from torch import nn

CORPUS = {
    "problem": "far_report_card",
    "kind": "wrong",
    "what": "an output that the reference does not have",
    "source": "own",
    "defence": "another structure",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, x):
        good = x > 0.5
        card = {"mean": x.mean(dim=-1), "count": good.sum(dim=-1), "any": good.any(dim=-1)}
        return card | {"largest": x.amax(dim=-1)}
