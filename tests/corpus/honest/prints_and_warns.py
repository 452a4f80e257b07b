import logging
import warnings

import torch

CORPUS = {
    "problem": "row_softmax",
    "kind": "honest",
    "what": "logs, prints and warns on its way",
    "source": "chatty kernels",
    "defence": "what a child prints is a note in the record",
    "device": "cpu",
    "fast": True,
}

log = logging.getLogger("kernel")
SAID = []


def row_softmax(x):
    if len(SAID) < 3:
        SAID.append(1)
        print("PASSED: compiled for", x.shape)
        warnings.warn("no kernel for this size, using the general one", stacklevel=2)
        log.warning("error: FAILED to find a tuned setting")
    return torch.softmax(x, -1)
