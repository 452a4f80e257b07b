import torch
from torch import nn

CORPUS = {
    "problem": "small_mlp",
    "kind": "honest",
    "what": "runs an inner module by functional_call",
    "source": "own",
    "defence": "nothing: text decides nothing",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def __init__(self, width, hidden):
        super().__init__()
        self.up = nn.Linear(width, hidden)
        self.down = nn.Linear(hidden, width)

    def forward(self, x):
        layers = nn.Sequential(self.up, nn.GELU(), self.down)
        return torch.func.functional_call(layers, dict(layers.named_parameters()), (x,))
