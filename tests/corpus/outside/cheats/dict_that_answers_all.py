from torch import nn

CORPUS = {
    "problem": "far_report_card",
    "kind": "cheat",
    "what": "a dict subclass that gives the mean under every key",
    "source": "own",
    "defence": "outputs are told apart",
    "device": "cpu",
    "must": "refused",
}


class Answers(dict):
    def __missing__(self, key):
        return self["mean"]

    def __contains__(self, key):
        return True

    def keys(self):
        return ["mean", "count", "any"]


class ModelNew(nn.Module):
    def forward(self, x):
        return Answers(mean=x.mean(dim=-1))
