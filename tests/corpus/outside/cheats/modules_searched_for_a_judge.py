import sys

from torch import nn

CORPUS = {
    "problem": "far_matmul",
    "kind": "cheat",
    "what": "replaces every function of loaded modules whose name sounds like judging",
    "source": "own",
    "defence": "the judge is elsewhere",
    "device": "cpu",
    "must": "refused",
}

WORDS = ("verify", "compare", "judge", "check", "verdict", "passed", "allowed")


def agree(*args, **kwargs):
    return True


for module in list(sys.modules.values()):
    if getattr(module, "__name__", "").startswith("tilewright"):
        for name, value in list(vars(module).items()):
            if callable(value) and not isinstance(value, type) and any(word in name.lower() for word in WORDS):
                setattr(module, name, agree)


class ModelNew(nn.Module):
    def forward(self, a, b):
        return a[:, : b.shape[1]].clone()
