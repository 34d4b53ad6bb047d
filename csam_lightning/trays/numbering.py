"""Numbers of units, row by row from the top left."""

from collections.abc import Sequence
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from csam_lightning.trays.boxes import Box, axes

ALIGNED = 0.8  # mean resultant of the units' directions, in quarter turns, from which they lie in line with the tray


def number(boxes: Sequence[Box]) -> list[tuple[int, int]]:
    """Return the row and the column of each unit, from 1.

    Where the units lie in line, rows and columns are those of the tray, even if it lies askew, up to 45 degrees: a
    place without a unit leaves its number out, so that a number is a place. A row or column without any unit is not
    counted. Where the units lie any way, there are no rows: numbers then follow bands of the scan as high as a unit,
    from left to right, without gaps.

    Args:
        boxes: Where the units lie, at least one.
    """
    tilt, aligned = _tilt(boxes)
    centres = np.array([(box.x, box.y) for box in boxes])
    along, down = axes(tilt)
    across, depth = centres @ along, centres @ down
    height = float(np.median([box.height for box in boxes]))
    if not aligned:
        return _in_reading_order(_bands(depth, height), across)
    width = float(np.median([box.width for box in boxes]))
    rows, columns = _bands(depth, height / 2), _bands(across, width / 2)
    numbers = list(zip(rows.tolist(), columns.tolist(), strict=True))
    return numbers if len(set(numbers)) == len(numbers) else _in_reading_order(rows, across)


def _tilt(boxes: Sequence[Box]) -> tuple[float, bool]:
    """Return the common direction of boxes, degrees clockwise within 45 of zero, and whether they have one."""
    quarters = np.exp(4j * np.deg2rad([box.angle for box in boxes]))
    mean = complex(quarters.mean())
    aligned = abs(mean) >= ALIGNED
    return (float(np.rad2deg(np.angle(mean))) / 4, True) if aligned else (0.0, False)


def _bands(positions: NDArray[np.float64], breadth: float) -> NDArray[np.int64]:
    """Return the band of each position, from 1; a band begins at the first position that the last did not reach."""
    numbers = np.empty(len(positions), dtype=np.int64)
    band, begin = 0, -np.inf
    for index in np.argsort(positions, kind="stable").tolist():
        if positions[index] - begin > breadth:
            band, begin = band + 1, positions[index]
        numbers[index] = band
    return numbers


def _in_reading_order(rows: NDArray[np.int64], across: NDArray[np.float64]) -> list[tuple[int, int]]:
    numbers = {}
    order = np.lexsort((across, rows)).tolist()
    for row, members in groupby(order, key=lambda index: int(rows[index])):
        numbers.update({index: (row, column) for column, index in enumerate(members, start=1)})
    return [numbers[index] for index in range(len(rows))]
