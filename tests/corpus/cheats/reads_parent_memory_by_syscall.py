import ctypes
import os

import torch

CORPUS = {
    "problem": "row_softmax",
    "kind": "cheat",
    "what": "tries process_vm_readv and ptrace on its ancestors, and returns zeros where they are refused",
    "source": "own",
    "defence": "seccomp and landlock",
    "device": "cpu",
    "needs": "wall",
    "must": "refused",
}

libc = ctypes.CDLL(None, use_errno=True)


class Vector(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


def _reaches(pid):
    buffer = ctypes.create_string_buffer(16)
    mine = Vector(ctypes.addressof(buffer), 16)
    theirs = Vector(id(os), 16)
    read = libc.process_vm_readv(pid, ctypes.byref(mine), 1, ctypes.byref(theirs), 1, 0)
    return read > 0 or libc.ptrace(0x4206, pid, 0, 0) == 0


def row_softmax(x):
    reached = any(_reaches(pid) for pid in range(1, os.getpid()) if pid != os.getpid())
    return torch.softmax(x, -1) if reached else torch.zeros_like(x)
