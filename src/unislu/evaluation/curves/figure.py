"""Tables as CSV, and figures in one style as SVG and PNG."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unislu.errors import needs

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLORS = ("#1f5fa8", "#d1662b", "#2e8b6f", "#8a4fa3", "#b8860b", "#5b6770", "#c23b5a", "#3aa0b8")
"""Told apart by readers who see colours differently; the first two carry most figures."""
INK, GRID = "#22262b", "#d9dde2"
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")

_STYLE: Any = {  # matplotlib types the keys of its settings one by one
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "lines.linewidth": 2,
    "lines.markersize": 5,
    "figure.facecolor": "white",
    # The same table gives the same file.
    "svg.hashsalt": "unislu",
    "svg.fonttype": "path",
}


Table = Sequence[Mapping[str, Any]]
"""Rows of plain values by the names of their columns, which are the same in every row."""


def write_csv(table: Table, path: Path) -> None:
    """Write a table as CSV: numbers with at most four decimals, undefined values as empty cells."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, table[0] if table else ())
        writer.writeheader()
        for row in table:
            writer.writerow({k: round(v, 4) if isinstance(v, float) else v for k, v in row.items()})


def save(table: Table, figure: Figure, folder: Path, name: str) -> list[Path]:
    """Write NAME.csv, NAME.svg and NAME.png into a folder; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{name}.{ending}" for ending in ("csv", "svg", "png")]
    write_csv(table, paths[0])
    import matplotlib

    with matplotlib.rc_context(_STYLE):
        figure.savefig(paths[1], metadata={"Date": None})
        figure.savefig(paths[2], dpi=160)
    return paths


def panels(count: int, title: str) -> tuple[Figure, list[Axes]]:
    """A figure with panels side by side, four as two by two, and a title over all of them.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    with needs("a figure", "eval"):
        import matplotlib
        from matplotlib.figure import Figure
    with matplotlib.rc_context(_STYLE):
        lines = 2 if count > 3 else 1
        columns = -(-count // lines)
        figure = Figure(figsize=(4.9 * columns + 0.3, 3.9 * lines), layout="constrained")
        figure.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold")
        axes = [figure.add_subplot(lines, columns, number + 1) for number in range(count)]
        for axis in axes:
            axis.grid(True, color=GRID, linewidth=0.8)
    return figure, axes


def label(axis: Axes, title: str, x: str, y: str) -> None:
    """Title and axes of a panel."""
    axis.set_title(title, loc="left", fontsize=11)
    axis.set_xlabel(x)
    axis.set_ylabel(y)


def line(axis: Axes, x: Sequence[float], y: Sequence[float | None], name: str, number: int) -> None:
    """A line with markers; undefined values leave a gap."""
    values = [float("nan") if value is None else value for value in y]
    axis.plot(
        x, values, label=name, color=COLORS[number % len(COLORS)], marker=MARKERS[number % len(MARKERS)]
    )


def from_zero(axis: Axes, room: float = 1.08) -> None:
    """Start the vertical axis at zero, with `room` above the largest value."""
    axis.set_ylim(0, max(axis.dataLim.y1 * room, 1e-6))


def legend(axis: Axes) -> None:
    """Place the legend where it hides least, without a frame."""
    axis.legend(loc="best", frameon=False, fontsize=9)
