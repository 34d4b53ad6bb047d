"""Growth against integrals done by hand; histories as physics demands them."""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from csam_lightning.simulation.config import SimulationConfig
from csam_lightning.simulation.delamination import NEVER, crack_lengths, short_axis
from csam_lightning.simulation.package import PackageId
from csam_lightning.simulation.specimen import make_specimen


@given(drive=st.floats(0.1, 2), onset=st.floats(0, 400), target=st.integers(1, 600))
@settings(max_examples=50)
def test_long_cracks_grow_by_paris_law(shipped: SimulationConfig, drive: float, onset: float, target: int) -> None:
    growth = replace(shipped.growth, saturation_um=0.0)
    got = crack_lengths(growth, np.array([drive]), np.array([onset]), [0, target])
    grown = growth.rate_um_per_cycle * drive**growth.paris_exponent * max(target - onset, 0)
    assert got[0, 0] == growth.initial_um
    assert got[1, 0] == pytest.approx(growth.initial_um + grown, abs=5 * growth.rate_um_per_cycle * drive**3)


@pytest.mark.parametrize("drive", [0.3, 1.0, 1.6])
def test_short_cracks_follow_the_integrated_law(shipped: SimulationConfig, drive: float) -> None:
    growth = replace(shipped.growth, paris_exponent=1.0)
    (length,) = crack_lengths(growth, np.array([drive]), np.zeros(1), [400])[0]
    start, saturation = growth.initial_um, growth.saturation_um
    cycles = (length - start + saturation * math.log(length / start)) / (growth.rate_um_per_cycle * drive)
    assert cycles == pytest.approx(400, rel=0.03)


@given(st.lists(st.floats(1, 5000), min_size=2, max_size=20))
def test_ellipses_grow_on_both_axes_towards_circles(shipped: SimulationConfig, lengths: list[float]) -> None:
    long = np.sort(np.array(lengths))
    short = short_axis(shipped.growth, long)
    assert (np.diff(short) >= -1e-9).all()
    assert (short <= long).all()
    assert (np.diff(short / long) >= -1e-12).all()


@pytest.mark.parametrize(("metallization", "number"), [("Ag", 3), ("NiPdAu", 7), ("NiPdAu", 22), ("Cu", 1)])
def test_delamination_grows_and_stays_on_its_metal(shipped: SimulationConfig, metallization: str, number: int) -> None:
    specimen = make_specimen(shipped, PackageId(metallization, number, test=False))
    history, frame = specimen.history, specimen.frame
    states = [history.delaminated(index) for index in range(len(shipped.read_outs))]
    for before, after in pairwise(states):
        assert not (before & ~after).any()
    assert not (states[-1] & ~(frame.die_pad | (frame.leads > 0))).any()
    for state, die_pad, bond_pad in zip(states, history.die_pad_share, history.bond_pad_share, strict=True):
        assert state[frame.die_pad].mean() == pytest.approx(die_pad)
        assert state[frame.bond_pads].mean() == pytest.approx(bond_pad)
    assert states[-1].sum() > states[0].sum()
    assert (history.arrival[~frame.metal] == NEVER).all()


@given(seed=st.integers(0, 2**31), number=st.integers(0, 500))
@settings(max_examples=15)
def test_shares_never_fall(small: SimulationConfig, seed: int, number: int) -> None:
    config = replace(small, seed=seed, read_outs=[0, 50, 130, 300, 500])
    history = make_specimen(config, PackageId("NiPdAu", number, test=True)).history
    for shares in (history.die_pad_share, history.bond_pad_share):
        assert (np.diff(shares) >= 0).all()
        assert (shares >= 0).all()
        assert (shares <= 1).all()


def test_a_read_out_in_between_changes_no_other(small: SimulationConfig) -> None:
    package = PackageId("NiPdAu", 4, test=False)
    few = make_specimen(replace(small, read_outs=[0, 300]), package).history
    many = make_specimen(replace(small, read_outs=[0, 150, 300, 450]), package).history
    assert np.array_equal(few.delaminated(1), many.delaminated(2))
    assert few.die_pad_share[1] == many.die_pad_share[2]


def test_metallizations_delaminate_in_the_published_order(small: SimulationConfig) -> None:
    config = replace(small, read_outs=[0, 200, 500])
    early, die_pad, bond_pad, pristine = {}, {}, {}, []
    for metallization in ("NiPdAu", "Ag", "Cu"):
        lives = [make_specimen(config, PackageId(metallization, number, test=False)).history for number in range(40)]
        early[metallization] = np.array([life.die_pad_share[1] for life in lives])
        die_pad[metallization] = np.array([life.die_pad_share[2] for life in lives])
        bond_pad[metallization] = np.array([life.bond_pad_share[2] for life in lives])
        pristine += [max(life.die_pad_share[0], life.bond_pad_share[0]) for life in lives]
    threshold = config.observer.threshold
    assert (early["NiPdAu"] > threshold).mean() > 2 * (early["Ag"] > threshold).mean()
    assert (die_pad["NiPdAu"] > threshold).mean() > (die_pad["Ag"] > threshold).mean() > 0
    assert die_pad["Cu"].max() < threshold / 3
    assert 0 < (bond_pad["Cu"] > threshold).mean() < (bond_pad["NiPdAu"] > threshold).mean() / 2
    assert max(pristine) < threshold / 2
