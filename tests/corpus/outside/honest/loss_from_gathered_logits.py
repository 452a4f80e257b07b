import torch
from torch import nn

CORPUS = {
    "problem": "far_logit_loss",
    "kind": "honest",
    "what": "logsumexp less the label's logit, over the rows that count",
    "source": "own",
    "defence": "the same loss",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, logits, labels):
        rows = (labels != -100).nonzero(as_tuple=True)[0]
        kept = logits.index_select(0, rows)
        own = kept.gather(1, labels.index_select(0, rows)[:, None])[:, 0]
        return (torch.logsumexp(kept, dim=-1) - own).mean()
