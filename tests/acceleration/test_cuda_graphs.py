"""Recorded steps: on the CPU with a recorder that keeps CUDA graphs' rules, and on a GPU where there is one."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from csam_lightning.acceleration.cuda_graphs import GraphedSteps
from csam_lightning.data.folds import Fold, Images
from csam_lightning.errors import InputError
from csam_lightning.training import fold as fold_module
from csam_lightning.training.job import FoldJob
from tests.training.test_fold import numbers, train

if TYPE_CHECKING:
    from csam_lightning.training.fold_files import FoldFolder

MakeJob = Callable[..., FoldJob]


class Recorder:
    """Does on the CPU what :func:`torch.cuda.make_graphed_callables` does on a GPU, with the same traps.

    Inputs, outputs and gradients live in memory that each replay overwrites; passes taken to warm up move batch
    normalisation on; parameters and buffers are known by their addresses; autocast may keep no cache.
    """

    def __init__(self) -> None:
        self.replayed: list[int] = []
        self.autocast: list[bool] = []
        self.batches_seen: list[int] = []

    def __call__(self, module: nn.Module, sample_args: tuple[Tensor, ...]) -> None:
        assert not (torch.is_autocast_enabled("cpu") and torch.is_autocast_cache_enabled())
        [images], parameters = sample_args, tuple(module.parameters())
        plain, buffers = module.forward, dict(module.named_buffers())
        self.autocast.append(torch.is_autocast_enabled("cpu"))
        self.batches_seen.append(int(buffers["network.bn1.num_batches_tracked"]))
        for _ in range(3):
            torch.rand(1)
            outputs = plain(images)
            torch.autograd.grad(outputs, parameters, torch.zeros_like(outputs))
        addresses = [value.data_ptr() for value in (*parameters, *module.buffers())]
        static_output, static_gradients = torch.empty_like(outputs), [torch.empty_like(value) for value in parameters]
        replayed = self.replayed

        class Replay(torch.autograd.Function):
            @staticmethod
            def forward(ctx: Any, batch: Tensor, *_: Tensor) -> Tensor:
                assert addresses == [value.data_ptr() for value in (*parameters, *module.buffers())]
                assert all(value.grad is None or value.grad.data_ptr() in targets for value in parameters)
                replayed.append(len(batch))
                images.copy_(batch)
                for gradient in static_gradients:
                    gradient.fill_(torch.nan)
                with torch.enable_grad():
                    ctx.outputs = plain(images)
                static_output.copy_(ctx.outputs.detach())
                return static_output.detach()

            @staticmethod
            def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
                found = torch.autograd.grad(ctx.outputs, parameters, gradients[0])
                for static, gradient in zip(static_gradients, found, strict=True):
                    static.copy_(gradient)
                return (None, *(static.detach() for static in static_gradients))

        targets = {gradient.data_ptr() for gradient in static_gradients}
        module.forward = lambda batch: Replay.apply(batch, *parameters)


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    """Let folds with ``cuda_graphs`` train on the CPU, recorded by this."""
    made = Recorder()

    class Watched(GraphedSteps):
        def on_train_batch_start(self, *arguments: Any) -> None:
            before = torch.get_rng_state()
            super().on_train_batch_start(*arguments)
            assert torch.equal(torch.get_rng_state(), before)

    monkeypatch.setattr(fold_module, "check_accelerator", lambda *_, **__: None)
    monkeypatch.setattr(fold_module, "GraphedSteps", partial(Watched, made))
    return made


def test_replayed_steps_give_the_plain_ones_bits_and_each_kind_takes_up_the_other(
    job: MakeJob, recorder: Recorder
) -> None:
    """An epoch of 10 images has two batches of 4, which are replayed, and one of 2, which is not."""
    scans = np.arange(10)
    fold = Fold(0, Images(scans, 0 * scans), scans, Images(np.arange(18, 24), np.zeros(6, int)))
    plain, graphed = ({"max_epochs": 2, "precision": "bf16-mixed", "cuda_graphs": graphs} for graphs in (False, True))
    finished = []
    for name, first, then in (("one", plain, graphed), ("other", graphed, plain)):
        train(job(name, fold=fold, trainer=first), kill_after=1)
        finished.append(numbers(train(job(name, fold=fold, trainer=then))))
    assert finished[0] == finished[1]
    assert recorder.replayed == [4, 4] * 2
    assert recorder.batches_seen == [3, 0]
    assert recorder.autocast == [True, True]


@pytest.mark.parametrize("accelerator", ["cpu", "auto"])
@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_recording_without_a_gpu_is_bad_input(job: MakeJob, accelerator: str) -> None:
    with pytest.raises(InputError) as caught:
        train(job(trainer={"accelerator": accelerator, "cuda_graphs": True}))
    assert str(caught.value) == (
        f"trainer.cuda_graphs=true: CUDA graphs need an NVIDIA GPU, and trainer.accelerator={accelerator} is cpu here; "
        "leave it out"
    )


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_gpu_replays_give_the_plain_steps_numbers_but_for_rounding(job: MakeJob, precision: str) -> None:
    """Four replayed steps and a plain one an epoch; after one epoch losses agree to 2 %, and both kinds resume."""
    settings: dict[str, Any] = {"max_epochs": 2, "accelerator": "gpu", "precision": precision}
    graphed = settings | {"cuda_graphs": True}
    folders: dict[str, FoldFolder] = {}
    for name, first, then in (
        ("plain", settings, settings),
        ("graphed", graphed, graphed),
        ("then_plain", graphed, settings),
        ("then_graphed", settings, graphed),
    ):
        train(job(name, trainer=first), kill_after=1)
        folders[name] = train(job(name, trainer=then))
    weights = {name: torch.load(made.model, weights_only=True)["state_dict"] for name, made in folders.items()}
    expected = folders["plain"].read_history()[0]["train/loss"]
    for name, made in folders.items():
        assert made.read_history()[0]["train/loss"] == pytest.approx(expected, rel=0.02)
        assert weights[name].keys() == weights["plain"].keys()
        assert weights[name]["network.bn1.num_batches_tracked"] == 10
        for key in ("network.bn1.running_mean", "network.bn1.running_var"):
            torch.testing.assert_close(weights[name][key], weights["plain"][key], rtol=0.05, atol=0.02)
