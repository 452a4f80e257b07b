from torch import nn

CORPUS = {
    "problem": "small_mlp",
    "kind": "wrong",
    "what": "the bias of the last layer is read one place too far",
    "source": "off-by-one loads",
    "defence": "weights and biases are random",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def __init__(self, width, hidden):
        super().__init__()
        self.up = nn.Linear(width, hidden)
        self.down = nn.Linear(hidden, width)

    def forward(self, x):
        return nn.functional.gelu(self.up(x)) @ self.down.weight.T + self.down.bias.roll(1)
