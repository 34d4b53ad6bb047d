"""What stands several times among many things, found in little memory."""

from collections.abc import Callable, Hashable, Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray


def repetitions(
    keys: NDArray[np.int64] | NDArray[np.uint64], thing: Callable[[int], Hashable | None]
) -> Iterator[tuple[int, int]]:
    """Yield each position where an earlier thing stands again, and the position where it stands first, in order.

    Args:
        keys: A number of 64 bits for each thing, equal where things are equal, shape (things,). Only where a number
            stands more than once is the thing itself asked for.
        thing: The thing at a position, or None where it is to be left out.
    """
    first: dict[Hashable, int] = {}
    for position in np.flatnonzero(pd.Series(keys).duplicated(keep=False)).tolist():
        found = thing(position)
        if found is not None and (earlier := first.setdefault(found, position)) != position:
            yield position, earlier
