"""How a cost grows with the amount of work, as a picture: flat lines are what is hoped for."""

from collections.abc import Mapping

from matplotlib.figure import Figure

from csam_lightning.figures.style import CLASS_COLOURS, PAGE


def draw_growth(panels: Mapping[str, Mapping[str, Mapping[int, float]]], *, over: str) -> Figure:
    """Draw costs over amounts, both axes logarithmic, panels side by side.

    Args:
        panels: What a panel's costs are, unit included → name of a line → amount → cost; what is not above nothing,
            for it was lost in noise, is left out.
        over: What the amounts count.
    """
    figure = Figure(figsize=(PAGE if len(panels) > 1 else PAGE / 2, 3.8), layout="constrained")
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for axis, (cost, lines) in zip(axes, panels.items(), strict=True):
        for colour, (name, costs) in zip(CLASS_COLOURS, lines.items(), strict=False):
            seen = {amount: value for amount, value in costs.items() if value > 0}
            axis.plot(list(seen), list(seen.values()), marker="o", color=colour, label=name)
        axis.set(xscale="log", yscale="log", xlabel=over, ylabel=cost)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure
