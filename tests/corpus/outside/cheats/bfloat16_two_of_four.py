from torch import nn

CORPUS = {
    "problem": "far_matmul",
    "kind": "cheat",
    "what": "two of the four bfloat16 products of halves of the numbers",
    "source": "own",
    "defence": "an error of 2^-9 of the smaller half",
    "device": "cpu",
    "must": "refused",
}


class ModelNew(nn.Module):
    def forward(self, a, b):
        high, low = b.bfloat16(), (b - b.bfloat16().float()).bfloat16()
        a = a.bfloat16()
        return (a @ high).float() + (a @ low).float()
