import torch
from torch import nn

CORPUS = {
    "problem": "small_mlp",
    "kind": "honest",
    "what": "keeps transposed copies of its weights until they change",
    "source": "prepared weights of vendor libraries",
    "defence": "weights are loaded before the first call",
    "device": "cpu",
    "fast": True,
}


class ModelNew(nn.Module):
    def __init__(self, width, hidden):
        super().__init__()
        self.up = nn.Linear(width, hidden)
        self.down = nn.Linear(hidden, width)
        self.ready = None

    def forward(self, x):
        version = self.up.weight._version, self.down.weight._version
        if self.ready is None or self.ready[0] != version:
            self.ready = version, self.up.weight.t().contiguous(), self.down.weight.t().contiguous()
        _, up, down = self.ready
        hidden = nn.functional.gelu(torch.addmm(self.up.bias, x, up))
        return torch.addmm(self.down.bias, hidden, down)
