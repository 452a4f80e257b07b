import torch
from torch import nn

CORPUS = {
    "problem": "far_gated_recurrence",
    "kind": "wrong",
    "what": "starts from the state that the last call ended with, once there is one",
    "source": "own",
    "defence": "depends on the calls before",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.cell = nn.GRUCell(width, width)
        self.kept = None

    def forward(self, steps, state):
        state = state if self.kept is None else self.kept
        states = []
        for x in steps:
            state = self.cell(x, state)
            states.append(state)
        self.kept = state
        return torch.stack(states), state
