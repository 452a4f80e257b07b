from torch import nn

CORPUS = {
    "problem": "far_quantise",
    "kind": "honest",
    "what": "clamps before it rounds, in place on its own quotient",
    "source": "own",
    "defence": "the same whole numbers",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, x, scale):
        return x.div(scale).clamp_(-128, 127).round_().char()
