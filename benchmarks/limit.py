"""The limit: the same network trained by a bare PyTorch loop, its tensors already in memory."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.task import CLASSES, Task
from csam_lightning.acceleration.layout import lay_out
from csam_lightning.acceleration.optimizer import MemoryOrderAdamW
from csam_lightning.data.datamodule import evaluation_batch
from csam_lightning.model.resnet import build_resnet
from csam_lightning.training.job import FoldJob

WARM_UP_STEPS = 3
"""Before a step is captured as a CUDA graph."""


class BareLoop:
    """Steps and forward passes, and nothing else: no data loading, no augmentation, no metrics, no files.

    Precision, optimiser and number of threads are those of the fold ``job``; images are float32, standardised.

    Args:
        task: What is trained.
        job: The same, as the product is told.
        arrange: Arranges the network; None: as the product does.

    Attributes:
        device: What it runs on.
    """

    def __init__(self, task: Task, job: FoldJob, arrange: Callable[[nn.Module], object] | None = None) -> None:
        """Build the network and put all images on the device."""
        on_gpu = task.accelerator == "gpu"
        self.device = torch.device("cuda" if on_gpu else "cpu")
        self._network = build_resnet(task.arch.name, num_classes=CLASSES, weights=None).to(self.device)
        if arrange is None:
            lay_out(self._network, side=task.image_size, device=self.device, precision=task.precision)
        else:
            arrange(self._network)
        self._optimizer = MemoryOrderAdamW(self._network.parameters(), fused=True)
        self._loss = nn.CrossEntropyLoss()
        self._half = task.precision == "bf16-mixed"
        images = torch.from_numpy(np.load(job.pixels)).unsqueeze(1).to(self.device)
        codes = torch.from_numpy(job.codes).to(self.device)
        standardised = (images.float() - 127.5) / 74
        training, validation = job.fold.training.scan, job.fold.validation.scans
        self._batches = list(
            zip(
                torch.split(standardised[training], task.batch_size),
                torch.split(codes[training], task.batch_size),
                strict=True,
            )
        )
        self._validation = torch.split(standardised[validation], evaluation_batch(task.image_size))

    @property
    def weights(self) -> list[Tensor]:
        """The network's weights, as they are by now."""
        return [weight.detach() for weight in self._network.parameters()]

    def train(self) -> None:
        """Take the steps of one epoch."""
        self._network.train()
        for images, codes in self._batches:
            self._step(images, codes)
        self._wait()

    def _step(self, images: Tensor, codes: Tensor) -> None:
        self._optimizer.zero_grad(set_to_none=True)
        with self._autocast():
            value = self._loss(self._network(images), codes)
        value.backward()
        self._optimizer.step()

    @torch.inference_mode()
    def validate(self) -> None:
        """Pass the validation scans through the network once."""
        self._network.eval()
        for images in self._validation:
            with self._autocast():
                self._network(images)
        self._wait()

    def _autocast(self) -> torch.autocast:
        """Return what casts; it keeps no casts for later, which each weight is used for but once, nor may a graph."""
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self._half, cache_enabled=False)

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize()


class GraphedLoop(BareLoop):
    """The bare loop of a GPU with its whole step captured once as a CUDA graph; an epoch copies batches and replays.

    Captured as PyTorch's documentation has it: after a few steps on a stream of their own, with gradients that the
    graph itself allocates. All batches have to be of one size.
    """

    def __init__(self, task: Task, job: FoldJob) -> None:
        """Build, warm up and capture."""
        super().__init__(task, job)
        self._optimizer = MemoryOrderAdamW(self._network.parameters(), fused=True, capturable=True)
        self._inputs = tuple(tensor.clone() for tensor in self._batches[0])
        self._network.train()
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(WARM_UP_STEPS):
                self._step(*self._inputs)
        torch.cuda.current_stream().wait_stream(stream)
        self._optimizer.zero_grad(set_to_none=True)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._step(*self._inputs)

    def train(self) -> None:
        """Take the steps of one epoch."""
        for batch in self._batches:
            for static, tensor in zip(self._inputs, batch, strict=True):
                static.copy_(tensor)
            self._graph.replay()
        self._wait()
