"""One package with its whole life: geometry, metal on the pixel grid, delamination."""

from dataclasses import dataclass

from csam_lightning.simulation.config import SimulationConfig
from csam_lightning.simulation.delamination import History, grow
from csam_lightning.simulation.package import Frame, Layout, PackageId, draw_layout, rasterise


@dataclass(frozen=True)
class Specimen:
    """A package, its lot's geometry, its pixels and its history."""

    package: PackageId
    layout: Layout
    frame: Frame
    history: History


def make_specimen(config: SimulationConfig, package: PackageId) -> Specimen:
    """Return a package as it comes from its lot and goes through the config's read-outs."""
    layout = draw_layout(config, package.lot(config.geometry.lot_packages))
    frame = rasterise(layout, config.image_px, config.pixel_um)
    return Specimen(package, layout, frame, grow(config, package, layout, frame))
