from torch import nn

CORPUS = {
    "problem": "small_mlp",
    "kind": "cheat",
    "what": "leaves the biases out, which are zero in many a freshly made module",
    "source": "KernelBench, strict=False and default weights",
    "defence": "weights and biases are random",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def __init__(self, width, hidden):
        super().__init__()
        self.up = nn.Linear(width, hidden)
        self.down = nn.Linear(hidden, width)

    def forward(self, x):
        return nn.functional.gelu(x @ self.up.weight.T) @ self.down.weight.T
