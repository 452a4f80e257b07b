import torch
from torch import nn

CORPUS = {
    "problem": "far_gated_recurrence",
    "kind": "honest",
    "what": "a generator of states, with the gates written out",
    "source": "own",
    "defence": "the same sums",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.cell = nn.GRUCell(width, width)

    def forward(self, steps, state):
        states = list(self._states(steps, state))
        return torch.stack(states), states[-1].clone()

    def _states(self, steps, state):
        cell = self.cell
        given = steps @ cell.weight_ih.t() + cell.bias_ih
        for x in given:
            r, z, n = x.chunk(3, dim=-1)
            hr, hz, hn = (state @ cell.weight_hh.t() + cell.bias_hh).chunk(3, dim=-1)
            reset, keep = torch.sigmoid(r + hr), torch.sigmoid(z + hz)
            fresh = torch.tanh(n + reset * hn)
            state = fresh + keep * (state - fresh)
            yield state
