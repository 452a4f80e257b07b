from torch import nn

CORPUS = {
    "problem": "far_top_values",
    "kind": "honest",
    "what": "returns the named tuple of topk itself",
    "source": "own",
    "defence": "a named tuple is a tuple",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, x):
        return x.topk(9)
