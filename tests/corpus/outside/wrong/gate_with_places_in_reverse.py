import torch
from torch import nn

CORPUS = {
    "problem": "gate_of_experts",
    "kind": "wrong",
    "what": "weights in order, but the places of the third and the fourth are swapped",
    "source": "own",
    "defence": "only places of equal elements are free",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def __init__(self, k):
        super().__init__()
        self.k = k

    def forward(self, logits):
        w, i = torch.topk(torch.softmax(logits, -1), self.k, dim=-1)
        i = torch.cat((i[:, :2], i[:, 2:].flip(-1)), -1)
        return w / w.sum(-1, keepdim=True), i
