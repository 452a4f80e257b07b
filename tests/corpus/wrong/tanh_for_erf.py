from torch import nn

CORPUS = {
    "problem": "small_mlp",
    "kind": "wrong",
    "what": "the tanh form of gelu where the exact one is asked for",
    "source": "a common substitution",
    "defence": "limits come from the reference's own error in float32",
    "device": "cpu",
    "fast": True,
}


class ModelNew(nn.Module):
    def __init__(self, width, hidden):
        super().__init__()
        self.up = nn.Linear(width, hidden)
        self.down = nn.Linear(hidden, width)

    def forward(self, x):
        return self.down(nn.functional.gelu(self.up(x), approximate="tanh"))
