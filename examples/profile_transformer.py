"""A small language model with random weights, in the shape of Llama: what tilewright profile says of a model.

Four blocks of RMSNorm, attention with rotary positions, RMSNorm and a gated MLP; hidden size 512, 256 tokens, float32
on a CPU, bfloat16 on a GPU. RMSNorm is written with pow, mean, rsqrt and mul, as most models write it. Try:

    tilewright profile examples/profile_transformer.py
    tilewright profile examples/profile_transformer.py --save-problems out/problems -- --layers 2
"""

import argparse

import torch
import torch.nn.functional as F
from torch import nn

HIDDEN, HEADS, INNER, WORDS = 512, 8, 1408, 8192


class RMSNorm(nn.Module):
    """Divides each row by its root mean square and scales it by the weight."""

    def __init__(self, hidden: int, eps: float = 1e-5):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(hidden))
        self.eps = eps

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        variance = x.pow(2).mean(dim=-1, keepdim=True)
        return x * torch.rsqrt(variance + self.eps) * self.weight


def rotated(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """x (batch, heads, tokens, head) with each pair of halves turned by its position's angle."""
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat([-second, first], dim=-1) * sin


class Attention(nn.Module):
    """Causal self-attention over HEADS heads."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(HIDDEN, 3 * HIDDEN, bias=False)
        self.out = nn.Linear(HIDDEN, HIDDEN, bias=False)

    def forward(self, x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
        batch, tokens, _ = x.shape
        q, k, v = (t.view(batch, tokens, HEADS, -1).transpose(1, 2) for t in self.qkv(x).chunk(3, dim=-1))
        mixed = F.scaled_dot_product_attention(rotated(q, cos, sin), rotated(k, cos, sin), v, is_causal=True)
        return self.out(mixed.transpose(1, 2).reshape(batch, tokens, HIDDEN))


class MLP(nn.Module):
    """Two projections, one of which gates the other, and one back."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = nn.Linear(HIDDEN, INNER, bias=False)
        self.up = nn.Linear(HIDDEN, INNER, bias=False)
        self.down = nn.Linear(INNER, HIDDEN, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.down(F.silu(self.gate(x)) * self.up(x))


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.before = RMSNorm(HIDDEN)
        self.attention = Attention()
        self.after = RMSNorm(HIDDEN)
        self.mlp = MLP()

    def forward(self, x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
        x = x + self.attention(self.before(x), cos, sin)
        return x + self.mlp(self.after(x))


class Model(nn.Module):
    def __init__(self, layers: int) -> None:
        super().__init__()
        self.words = nn.Embedding(WORDS, HIDDEN)
        self.layers = nn.ModuleList(Block() for _ in range(layers))
        self.norm = RMSNorm(HIDDEN)
        self.head = nn.Linear(HIDDEN, WORDS, bias=False)

    def forward(self, words: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
        x = self.words(words)
        for layer in self.layers:
            x = layer(x, cos, sin)
        return self.head(self.norm(x))


def angles(tokens: int) -> torch.Tensor:
    """The angle of each position (rows) in each pair of a head's features, both halves (columns)."""
    half = HIDDEN // HEADS // 2
    rates = 10000.0 ** (-torch.arange(half) / half)
    return torch.outer(torch.arange(tokens).float(), rates).repeat(1, 2)


parser = argparse.ArgumentParser()
parser.add_argument("--layers", type=int, default=4)
parser.add_argument("--tokens", type=int, default=256)
options = parser.parse_args()

device, dtype = ("cuda", torch.bfloat16) if torch.cuda.is_available() else ("cpu", torch.float32)
torch.manual_seed(0)
model = Model(options.layers).to(device, dtype).eval()
words = torch.randint(0, WORDS, (1, options.tokens), device=device)
cos, sin = angles(options.tokens).cos().to(device, dtype), angles(options.tokens).sin().to(device, dtype)


def run() -> torch.Tensor:
    """One forward pass."""
    with torch.inference_mode():
        return model(words, cos, sin)
