import ctypes
import os
import subprocess
import tempfile

import torch
from torch import nn

CORPUS = {
    "problem": "far_column_sums",
    "kind": "honest",
    "what": "builds C with the machine's compiler at import and calls it through ctypes",
    "source": "own",
    "defence": "building is no cheat",
    "device": "cpu",
    "needs": "compiler",
}

SOURCE = """
void sums(const float *x, float *y, long rows, long columns) {
    for (long c = 0; c < columns; c++) {
        double total = 0;
        for (long r = 0; r < rows; r++) y[r * columns + c] = (float)(total += x[r * columns + c]);
    }
}
"""


def built():
    with tempfile.TemporaryDirectory() as folder:
        source, library = os.path.join(folder, "sums.c"), os.path.join(folder, "sums.so")
        with open(source, "w") as file:
            file.write(SOURCE)
        subprocess.run(["g++", "-x", "c", "-O2", "-shared", "-fPIC", "-o", library, source], check=True)
        return ctypes.CDLL(library)


LIBRARY = built()


class ModelNew(nn.Module):
    def forward(self, x):
        x = x.contiguous()
        out = torch.empty_like(x)
        rows, columns = x.shape
        pointers = ctypes.c_void_p(x.data_ptr()), ctypes.c_void_p(out.data_ptr())
        LIBRARY.sums(*pointers, ctypes.c_long(rows), ctypes.c_long(columns))
        return out
