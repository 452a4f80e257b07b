import torch
from torch import nn

CORPUS = {
    "problem": "small_mlp",
    "kind": "cheat",
    "what": "ignores the weights that it is given and keeps those of a seed",
    "source": "KernelBench, weights by a common seed",
    "defence": "weights come from the parent",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def __init__(self, width, hidden):
        super().__init__()
        torch.manual_seed(0)
        self.up = nn.Linear(width, hidden)
        self.down = nn.Linear(hidden, width)
        self.mine = [p.detach().clone() for p in self.parameters()]

    def forward(self, x):
        up, up_bias, down, down_bias = self.mine
        return nn.functional.linear(nn.functional.gelu(nn.functional.linear(x, up, up_bias)), down, down_bias)
