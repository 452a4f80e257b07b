import torch
import torch.nn as nn

CORPUS = {
    "problem": "view_parts",
    "kind": "honest",
    "what": "as_strided views of the input",
    "source": "own",
    "defence": "outputs may share memory where those of the reference do",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, x):
        s0, s1 = x.stride()
        o = x.storage_offset()
        return (
            torch.as_strided(x, (11, 22), (s1, s0), o),
            torch.as_strided(x, (22, 6), (s0, 2 * s1), o + 11 * s1),
            torch.as_strided(x, (22,), (s0 + s1,), o),
            torch.as_strided(x, (7, 22, 4), (3 * s0, s1, s0), o),
        )
