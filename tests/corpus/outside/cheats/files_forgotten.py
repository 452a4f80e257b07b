import os
import tempfile

import torch
from torch import nn

CORPUS = {
    "problem": "far_wide_softmax",
    "kind": "cheat",
    "what": "leaves files and a locked folder in every temporary folder that it finds",
    "source": "own",
    "defence": "nothing is left behind",
    "device": "cpu",
}


def leave():
    for folder in {tempfile.gettempdir(), "/dev/shm", "/tmp", os.getcwd()}:
        try:
            place = tempfile.mkdtemp(prefix="forgotten_", dir=folder)
            with open(os.path.join(place, "file"), "w") as file:
                file.write("here")
            os.chmod(place, 0o500)
        except OSError:
            continue


class ModelNew(nn.Module):
    def forward(self, x):
        leave()
        return torch.softmax(x, -1)
