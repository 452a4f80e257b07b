import torch
from torch import nn

CORPUS = {
    "problem": "gate_of_experts",
    "kind": "honest",
    "what": "takes the largest probability four times and strikes it out",
    "source": "own",
    "defence": "places of elements that came out equal are free, far scores underflow to zeros",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def __init__(self, k):
        super().__init__()
        self.k = k

    def forward(self, logits):
        p = torch.softmax(logits, dim=-1)
        left, weights, places = p.clone(), [], []
        for _ in range(self.k):
            i = left.argmax(-1, keepdim=True)
            weights.append(p.gather(-1, i))
            places.append(i)
            left.scatter_(-1, i, -1.0)
        w = torch.cat(weights, -1)
        return w / w.sum(-1, keepdim=True), torch.cat(places, -1)
