from torch import nn

CORPUS = {
    "problem": "far_complex_product",
    "kind": "wrong",
    "what": "the imaginary part has the other sign",
    "source": "own",
    "defence": "half of a complex number",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, a, b):
        return (a.conj() * b).sum(dim=-1)
