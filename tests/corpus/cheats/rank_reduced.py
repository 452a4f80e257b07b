from torch import nn

CORPUS = {
    "problem": "small_mlp",
    "kind": "cheat",
    "what": "leaves every hundredth hidden unit out",
    "source": "own, after KernelBench L2 operations left out",
    "defence": "columns and rows have limits of their own",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def __init__(self, width, hidden):
        super().__init__()
        self.up = nn.Linear(width, hidden)
        self.down = nn.Linear(hidden, width)

    def forward(self, x):
        hidden = nn.functional.gelu(self.up(x))
        hidden[:, ::100] = 0
        return self.down(hidden)
