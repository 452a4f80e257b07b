from torch import nn

CORPUS = {
    "problem": "far_matmul",
    "kind": "wrong",
    "what": "the right product, as a sparse tensor",
    "source": "own",
    "defence": "another layout",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, a, b):
        return (a @ b).to_sparse()
