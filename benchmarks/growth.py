"""How a cost grows with the amount of work, as a picture: flat lines are what is hoped for."""

from collections.abc import Mapping

from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from csam_lightning.figures.style import BLUE, GREEN, ORANGE, PAGE, PURPLE, VERMILION

COLOURS = (BLUE, VERMILION, GREEN, PURPLE, ORANGE)


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
        axis.set_prop_cycle(color=COLOURS)
        for name, costs in lines.items():
            seen = {amount: value for amount, value in costs.items() if value > 0}
            axis.plot(list(seen), list(seen.values()), marker="o", label=name)
        amounts = sorted({amount for costs in lines.values() for amount in costs})
        axis.set(xscale="log", yscale="log", xlabel=over, ylabel=cost)
        axis.set_xticks(amounts, [f"{amount:,}" for amount in amounts])
        axis.yaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 5, 7)))
        for ticks in (axis.xaxis, axis.yaxis):
            ticks.set_minor_formatter(NullFormatter())
        axis.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(COLOURS))
    return figure
