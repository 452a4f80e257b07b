from torch import nn

CORPUS = {
    "problem": "far_turned_input",
    "kind": "wrong",
    "what": "reads the memory as if the input were contiguous",
    "source": "own",
    "defence": "strides are not looked at",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, x):
        return x.as_strided(x.shape, (x.shape[1], 1)).softmax(dim=-1)
