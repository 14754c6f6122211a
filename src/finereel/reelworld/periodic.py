"""The phase of a periodic pattern, without the remainder operator of numpy and Python.

That operator calls C's `fmod`, which on x86 still computes in the floating-point registers that MMX
code of codecs and other libraries shares. Where such code leaves them occupied, the next remainder
is not a number: one pixel of a background or one frame of a motion differs, in a process that has
done other things before, and nowhere else.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Grid = NDArray[np.floating[Any]]


def fraction(x: Grid) -> Grid:
    """What lies behind the whole number, in [0, 1); the same value as `x % 1`.

    >>> fraction(np.array([0.25, 2.5, -0.25])).tolist()
    [0.25, 0.5, 0.75]
    """
    return np.asarray(x - np.floor(x))


def odd(x: Grid) -> Grid:
    """1 for odd whole numbers and 0 for even ones; the same value as `x % 2`.

    >>> odd(np.array([0.0, 1.0, -1.0, 4.0])).tolist()
    [0.0, 1.0, 1.0, 0.0]
    """
    return np.asarray(x - 2 * np.floor(x / 2))


def turn(x: float) -> float:
    """`fraction` of one number.

    >>> turn(2.5), turn(-0.25)
    (0.5, 0.75)
    """
    return x - math.floor(x)
