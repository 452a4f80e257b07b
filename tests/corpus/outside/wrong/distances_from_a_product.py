from torch import nn

CORPUS = {
    "problem": "far_distances",
    "kind": "wrong",
    "what": "x.x + y.y - 2 x.y, where near points lose their digits",
    "source": "own",
    "defence": "cancellation",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, x, y):
        squares = x.square().sum(-1)[:, None] + y.square().sum(-1)[None] - 2 * (x @ y.t())
        return squares.clamp(min=0).sqrt()
