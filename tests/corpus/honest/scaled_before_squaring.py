CORPUS = {
    "problem": "half_norm",
    "kind": "honest",
    "what": "scales by the largest value, so that squares stay in range",
    "source": "hypot",
    "defence": "the same numbers",
    "device": "cpu",
    "fast": True,
}


def half_norm(x):
    wide = x.double()
    most = wide.abs().amax(-1, keepdim=True).clamp(min=1e-30)
    return ((wide / most).square().sum(-1).sqrt() * most.squeeze(-1)).to(x.dtype)
