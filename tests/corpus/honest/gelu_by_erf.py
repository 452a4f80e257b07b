import torch
from torch import nn

CORPUS = {
    "problem": "small_mlp",
    "kind": "honest",
    "what": "gelu written out with erf, in blocks of hidden units",
    "source": "fused kernels",
    "defence": "the same numbers",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def __init__(self, width, hidden):
        super().__init__()
        self.up = nn.Linear(width, hidden)
        self.down = nn.Linear(hidden, width)

    def forward(self, x):
        out = self.down.bias.expand(x.shape[0], -1).clone()
        for i in range(0, self.up.out_features, 100):
            h = torch.addmm(self.up.bias[i : i + 100], x, self.up.weight[i : i + 100].t())
            h = 0.5 * h * (1.0 + torch.erf(h * 0.7071067811865476))
            out.addmm_(h, self.down.weight[:, i : i + 100].t())
        return out
