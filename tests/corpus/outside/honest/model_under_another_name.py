import torch
from torch import nn

CORPUS = {
    "problem": "far_mlp",
    "kind": "honest",
    "what": "the reference itself under a second name, ModelNew = Model",
    "source": "own",
    "defence": "nothing is claimed",
    "device": "cpu",
}


class Model(nn.Module):
    def __init__(self, width, hidden):
        super().__init__()
        self.up = nn.Linear(width, hidden)
        self.down = nn.Linear(hidden, width)

    def forward(self, x):
        return self.down(torch.relu(self.up(x)))


ModelNew = Model
