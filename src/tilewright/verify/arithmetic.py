"""Ways to run a reference without touching its text: in float64 throughout, on matrix units, and with its chains of
products the other way round. Each is a mode that sees every operation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.utils._pytree import tree_leaves, tree_map

from ..dispatch import QuietMode
from .rounding import STORED_ONLY

aten = torch.ops.aten

NARROW = (torch.float16, torch.bfloat16, torch.float32)

ADDED_PRODUCTS = (aten.addmm.default, aten.baddbmm.default)
PRODUCTS = (aten.mm.default, aten.bmm.default, *ADDED_PRODUCTS)

# Views that keep the order of the elements.
SAME_ORDER = (aten.view.default, aten._unsafe_view.default, aten.expand.default, aten.reshape.default)

# Operations whose result may jump when an input moves by one rounding.
JUMPS = {
    "round", "floor", "ceil", "trunc", "sign", "heaviside", "floor_divide", "remainder", "fmod", "argmax", "argmin",
    "topk", "sort", "gt", "ge", "lt", "le", "eq", "ne", "searchsorted", "bucketize", "frac", "kthvalue", "mode",
}  # fmt: skip


# Continuous operations whose gradient jumps.
KINKS = {
    "relu", "relu_", "leaky_relu", "leaky_relu_", "hardtanh", "hardtanh_", "hardswish", "hardsigmoid", "clamp",
    "clamp_min", "clamp_max", "maximum", "minimum", "amax", "amin", "max", "min", "abs", "max_pool2d_with_indices",
    "max_pool3d_with_indices", "max_pool1d_with_indices", "adaptive_max_pool2d", "adaptive_max_pool3d", "median",
    "smooth_l1_loss", "huber_loss", "hardshrink", "softshrink", "threshold", "threshold_backward", "fmax", "fmin",
    "_prelu_kernel", "rrelu_with_noise", "fractional_max_pool2d", "where", "cummax", "cummin", "linalg_vector_norm",
}  # fmt: skip


class Wide(QuietMode):
    """Runs everything in float64: casts to, and new tensors of, a narrower floating type become float64. `jumps` tells
    afterwards whether the reference used an operation that is not continuous, `kinks` whether one whose gradient is
    not, `products` how many products of matrices there were, and `bytes` what all results came to."""

    def __init__(self) -> None:
        super().__init__()
        self.jumps = False
        self.kinks = False
        self.products = 0
        self.bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        self.products += func in PRODUCTS
        self.kinks = self.kinks or name in KINKS
        if name in JUMPS or (name == "_to_copy" and leaves_floats(args, kwargs or {})):
            self.jumps = True
        args, kwargs = tree_map(_widen_dtype, (args, kwargs or {}))
        result = tree_map(_widen_result(args), func(*args, **kwargs))
        self.bytes += sum(t.nbytes for t in tree_leaves(result) if isinstance(t, torch.Tensor))
        return result


class BeforeCast(QuietMode):
    """Remembers what was cast to a dtype that only stores (float8), so that a result can be had unrounded."""

    def __init__(self) -> None:
        super().__init__()
        self._casts: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if func is aten._to_copy.default and result.dtype in STORED_ONLY and args[0].dtype not in STORED_ONLY:
            self._casts[result.untyped_storage().data_ptr()] = (result, args[0])
        return result

    def unrounded(self, output: Any) -> Any:
        """Return what `output` was before its cast where it is such a result as a whole, else `output`."""
        if not isinstance(output, torch.Tensor) or output.dtype not in STORED_ONLY:
            return output
        cast, source = self._casts.get(output.untyped_storage().data_ptr(), (None, output))
        if cast is None or cast.numel() != output.numel() or not (cast.is_contiguous() and output.is_contiguous()):
            return output
        return source.reshape(output.shape)


def leaves_floats(args: Sequence[Any], kwargs: dict[str, Any]) -> bool:
    target = kwargs.get("dtype")
    if target is None or not args[0].is_floating_point():
        return False
    return target not in (*NARROW, torch.float64)


def _widen_dtype(leaf: Any) -> Any:
    return torch.float64 if isinstance(leaf, torch.dtype) and leaf in NARROW else leaf


def _widen_result(args: Any) -> Callable[[Any], Any]:
    given = {id(leaf) for leaf in tree_leaves(args) if isinstance(leaf, torch.Tensor)}

    def widen(leaf: Any) -> Any:
        narrow = isinstance(leaf, torch.Tensor) and leaf.dtype in NARROW and id(leaf) not in given
        return leaf.double() if narrow else leaf

    return widen


class MatrixUnit(QuietMode):
    """Evaluates products of float32 matrices whose entries are all numbers of `dtype` (float16, bfloat16) on the matrix
    units of the GPU that they are on, with results in float32. These units add with more bits than they are said to,
    but cut what they drop instead of rounding it, so that long sums come out a little too small: an error that every
    kernel has that uses them. `used` tells afterwards whether there was such a product."""

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype, self.used = dtype, False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        c, factors = (args[0], args[1:3]) if func in ADDED_PRODUCTS else (None, args[:2])
        if func not in PRODUCTS or not all(self._fits(t) for t in factors):
            return func(*args, **kwargs)
        self.used = True
        a, b = (t.to(self.dtype) for t in factors)
        product = torch.bmm(a, b, torch.float32) if a.ndim == 3 else torch.mm(a, b, torch.float32)
        if c is None:
            return product
        return c * kwargs.get("beta", 1) + product * kwargs.get("alpha", 1)

    def _fits(self, tensor: Any) -> bool:
        if not isinstance(tensor, torch.Tensor) or tensor.dtype != torch.float32 or not tensor.is_cuda:
            return False
        return bool(torch.equal(torch.nan_to_num(tensor.to(self.dtype).float()), torch.nan_to_num(tensor)))


class Reassociated(QuietMode):
    """Evaluates chains of two products of matrices the other way round: (A B) C as A (B C), and A (B C) as (A B) C. The
    mathematics is the same, and neither order is better for all matrices: where large terms cancel in the first
    product, the other order rounds them. `used` tells afterwards whether there was such a chain."""

    def __init__(self) -> None:
        super().__init__()
        self.used = False
        self._products: dict[int, tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Size]] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in (aten.mm.default, aten.bmm.default):
            return self._product(func, *args)
        result = func(*args, **(kwargs or {}))
        known = self._products.get(id(args[0])) if func in SAME_ORDER else None
        if known is not None and result.numel() == args[0].numel():
            self._products[id(result)] = (result, *known[1:])
        return result

    def _product(self, func: Any, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        left, right = self._factors(x), self._factors(y)
        if left is not None:
            result = func(left[0], func(left[1], y))
        elif right is not None:
            result = func(func(x, right[0]), right[1])
        else:
            result = func(x, y)
        self.used = self.used or left is not None or right is not None
        self._products[id(result)] = (result, x, y, result.shape)  # kept alive, so that no other has its number
        return result

    def _factors(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor] | None:
        known = self._products.get(id(x))
        return (known[1], known[2]) if known is not None and known[3] == x.shape else None
