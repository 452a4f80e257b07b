import torch
import torch.nn as nn

CORPUS = {
    "problem": "cum_product",
    "kind": "honest",
    "what": "products inside of blocks of 8, then carried",
    "source": "own",
    "defence": "products may be taken in any order",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, x):
        b = x.view(x.shape[0], -1, 8) if x.is_contiguous() else x.reshape(x.shape[0], -1, 8)
        inside = [b[..., 0]]
        for j in range(1, 8):
            inside.append(inside[-1] * b[..., j])
        inside = torch.stack(inside, -1)
        carry = torch.ones_like(inside[:, 0, 0])
        out = []
        for i in range(inside.shape[1]):
            out.append(inside[:, i] * carry[:, None])
            carry = carry * inside[:, i, -1]
        return torch.cat(out, 1)
