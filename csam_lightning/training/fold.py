"""Training of one fold, from index sets to files."""

import logging
import warnings
from dataclasses import replace
from errno import EIO
from typing import TYPE_CHECKING, Any

import lightning as L
import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from csam_lightning.acceleration.cuda_graphs import GraphedSteps
from csam_lightning.acceleration.layout import lay_out
from csam_lightning.data.augment import Augmentation, AugmentationPlan
from csam_lightning.data.datamodule import FoldDataModule, LabelledScans, evaluation_batch, images_as_seen
from csam_lightning.data.resident import ResidentDataModule, can_reside
from csam_lightning.files import make_folder, zip_is_whole
from csam_lightning.machine.accelerator import check_accelerator
from csam_lightning.machine.memory import keep_freed_memory, return_freed_memory
from csam_lightning.model.classifier import ScanClassifier
from csam_lightning.model.novelty import NoveltyStatistics, features_noted
from csam_lightning.state import peek_state
from csam_lightning.training.checkpoints import last_whole, read_checkpoint, write_checkpoint
from csam_lightning.training.damage import checksums_of
from csam_lightning.training.distributed import check_shares, joined, trainer_settings
from csam_lightning.training.fold_files import FoldFolder, FoldOutcome, FoldPredictions, former
from csam_lightning.training.job import FoldJob, Rank
from csam_lightning.training.resume_callback import EpochKeeper

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence, Sized

    from numpy.typing import NDArray

    from csam_lightning.training.events import EpochEnded


ALONE = Rank()
MOST_FEATURES = 10_000
"""Images whose features are kept to tell strange scans by: 31 MB, 13 images for each of a ResNet-18's 768 features."""


def train_fold(
    job: FoldJob, tell: "Callable[[EpochEnded], None]", rank: Rank = ALONE, *, until: int | None = None
) -> bool:
    """Train one fold, or what is left of it, and write its files; see :class:`FoldFolder`.

    Args:
        job: The fold.
        tell: Called after every epoch.
        rank: Which one of several processes this is.
        until: The epoch after which the fold pauses, for another call to resume it; None: its last one.

    Returns:
        Whether it is finished.

    With several devices each has a process that does this at the same time; ``rank`` is this one's.

    Equal jobs give equal files on the same machine, bit for bit on a CPU, also when interrupted and resumed
    (but for the times in them).
    """
    folder = FoldFolder(job.folder)
    make_folder(folder.path)
    if rank.leads:
        _tidy(folder, rank)
    check_shares(job, rank.of)
    prepare_process(job)
    pixels = np.load(job.pixels, mmap_mode="r", allow_pickle=False)
    scans = LabelledScans(pixels, job.train_rows, job.codes)
    plan = augmentation_plan(job)
    classifier = build_classifier(job, scans)
    keeper = EpochKeeper(folder, fold=job.fold.number, keep_best=job.trainer.select == "best", tell=tell, until=until)
    trainer = make_trainer(job, [keeper], rank)
    device = trainer.strategy.root_device
    lay_out(classifier.network, side=scans.side, device=device, precision=job.trainer.precision)
    trained = _trained(folder, epochs=job.trainer.max_epochs)
    if trained is None:
        resume = last_whole(folder.resume)
        with joined(rank, device):
            trainer.fit(classifier, fold_data(job, scans, plan, rank, device), ckpt_path=resume, weights_only=True)
        _forget_gradients(trainer)
    else:
        keeper.history = folder.read_history()
    if len(keeper.history) < job.trainer.max_epochs:
        return False
    if not rank.leads:
        return True
    keeper.write_history()
    epoch = _select(classifier, folder, trained, epochs=len(keeper.history))
    classifier.to(device)
    training, validation = job.fold.training_scans, job.fold.validation
    size = evaluation_batch(scans.side)
    learnt = (scans.images(training[part]) for part in _batches(training, size))
    learnt_logits, learnt_features = _judged(classifier, learnt, images=len(training), every=_every(training))
    held_out = (images_as_seen(scans, validation.take(part), plan) for part in _batches(validation, size))
    validated, held_out_features = _judged(classifier, held_out, images=len(validation), every=_every(validation))
    as_scanned = (validation.copy == 0)[:: _every(validation)]
    novelty = NoveltyStatistics.fit(learnt_features, held_out_features[as_scanned])
    if novelty is not None:
        novelty.write(folder.novelty)
    test = (pixels[job.test_rows[part]] for part in _batches(job.test_rows, size))
    tested, _ = _judged(classifier, test, images=len(job.test_rows))
    predictions = FoldPredictions(validation=validated.softmax(dim=1).numpy(), test=tested.softmax(dim=1).numpy())
    _write(folder, classifier, predictions, _outcome(job, learnt_logits, validated, keeper.history, epoch))
    return True


def _tidy(folder: FoldFolder, rank: Rank) -> None:
    """Remove what processes that were killed have half written, or met by."""
    needed = {rank.meeting, former(folder.resume)}
    for left in folder.path.glob(".*"):
        if left not in needed:
            left.unlink()


def _trained(folder: FoldFolder, *, epochs: int) -> dict[str, Any] | None:
    """Return the fold's network where all ``epochs`` are trained, and it lacks only what is made of the network."""
    if len(folder.read_history()) == epochs and peek_state(folder.model, zip_is_whole):
        return read_checkpoint(folder.model)
    return None


def prepare_process(job: FoldJob) -> None:
    """Set threads, warnings and seeds for training a fold in this process."""
    keep_freed_memory()
    torch.set_num_threads(job.trainer.threads_per_fold)
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")
    warnings.filterwarnings("ignore", message=".*`srun` command is available.*")
    warnings.filterwarnings("ignore", message=".*sync_dist=True.*")  # what is logged is synchronised already
    warnings.filterwarnings("ignore", message=".*isinstance.treespec, LeafSpec.*")
    # Else determinism fills every new tensor with NaN, some 400 times a step; all are written before they are read.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # torch does not declare it
    seed = np.random.SeedSequence((job.seed, job.fold.number)).generate_state(1)[0]
    L.seed_everything(int(seed), verbose=False)


def augmentation_plan(job: FoldJob) -> AugmentationPlan:
    """Return how the fold's training images change."""
    augmentation = Augmentation(rotation_degrees=job.augment.rotation_degrees, contrast=job.augment.contrast)
    if job.copies_frozen:
        return AugmentationPlan(augmentation, "once", job.seed, None)
    return AugmentationPlan(augmentation, job.augment.when.value, job.seed, job.fold.number)


def build_classifier(job: FoldJob, scans: LabelledScans) -> ScanClassifier:
    """Return the fold's network with its initial weights."""
    mean, std = scans.mean_and_std(job.fold.training_scans)
    return ScanClassifier(
        arch=job.model.arch.value,
        weights=job.model.weights,
        num_classes=job.num_classes,
        pixel_mean=mean,
        pixel_std=max(std, 1.0),
        learning_rate=job.trainer.learning_rate,
        weight_decay=job.trainer.weight_decay,
        warmup_epochs=job.trainer.warmup_epochs,
    )


def fold_data(
    job: FoldJob, scans: LabelledScans, plan: AugmentationPlan, rank: Rank, device: torch.device
) -> L.LightningDataModule:
    """Return the fold's data: where one GPU trains it, in that GPU's memory if there is room."""
    if rank.of == 1 and can_reside(scans, job.fold, device):
        return ResidentDataModule(scans, job.fold, plan, batch_size=job.batch_size, seed=job.seed, device=device)
    return FoldDataModule(
        scans, job.fold, plan, batch_size=job.batch_size, seed=job.seed, rank=rank.number, devices=rank.of
    )


def make_trainer(job: FoldJob, callbacks: "Sequence[L.Callback]", rank: Rank, **settings: Any) -> L.Trainer:
    """Return what trains a fold, with ``settings`` beside its own."""
    check_accelerator(job.trainer.accelerator, rank.of, cuda_graphs=job.trainer.cuda_graphs)
    return L.Trainer(
        max_epochs=job.trainer.max_epochs,
        accelerator=job.trainer.accelerator,
        precision=job.trainer.precision,  # type: ignore[arg-type]  # checked by check_values
        callbacks=[*callbacks, *([GraphedSteps()] if job.trainer.cuda_graphs else [])],
        logger=False,
        deterministic="warn",
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        default_root_dir=job.folder,
        **trainer_settings(rank, job.trainer.accelerator),
        **settings,
    )


def _forget_gradients(trainer: L.Trainer) -> None:
    """Free what only training needs, three times the weights' memory, before the images are judged."""
    for optimizer in trainer.optimizers:
        optimizer.zero_grad()
        optimizer.state.clear()
    return_freed_memory()


def _select(classifier: ScanClassifier, folder: FoldFolder, trained: dict[str, Any] | None, *, epochs: int) -> int:
    """Put the chosen epoch's weights into ``classifier`` and return the epoch's number, from 1.

    Raises:
        BadZipFile: The file of the best epoch is damaged.
    """
    if trained is not None:
        classifier.load_state_dict(trained["state_dict"])
        return int(trained["hyper_parameters"]["epoch"])
    if not folder.best.is_file():
        return epochs
    best = read_checkpoint(folder.best)
    classifier.load_state_dict(best["state_dict"])
    return int(best["epoch"])


def _outcome(
    job: FoldJob, trained: Tensor, validated: Tensor, history: list[dict[str, float]], epoch: int
) -> FoldOutcome:
    train_codes = torch.from_numpy(job.codes[job.fold.training_scans])
    val_codes = torch.from_numpy(job.codes[job.fold.validation.scans])
    original = torch.from_numpy(job.fold.validation.copy == 0)
    return FoldOutcome(
        train_accuracy=float((trained.argmax(dim=1) == train_codes).double().mean()),
        train_loss=float(cross_entropy(trained.double(), train_codes)),
        val_loss=float(cross_entropy(validated[original].double(), val_codes)),
        epoch=epoch,
        images=len(job.fold.training) * len(history),
        seconds=sum(past["seconds"] for past in history),
        history=history,
    )


def _write(folder: FoldFolder, classifier: ScanClassifier, predictions: FoldPredictions, outcome: FoldOutcome) -> None:
    """Write the files of a finished fold, the outcome last, and drop what only an unfinished one needs.

    The outcome is written when all others are on the disk and have been read back; what it makes superfluous is dropped
    when it is there too.

    Raises:
        OSError: A file cannot be written, or is not read as it was written.
    """
    parameters = {**classifier.hparams, "epoch": outcome.epoch}
    state = {name: value.cpu().contiguous() for name, value in classifier.state_dict().items()}
    write_checkpoint({"state_dict": state, "hyper_parameters": parameters}, folder.model)
    predictions.write(folder.predictions)
    for file in (folder.model, folder.predictions, folder.novelty):
        if file.is_file() and not zip_is_whole(file):
            raise OSError(EIO, "is not read as it was written", str(file))
    checksums = checksums_of(folder.predictions, folder.novelty)
    replace(outcome, checksums=checksums).write(folder.outcome)
    FoldOutcome.read(folder.outcome)
    folder.drop_unfinished()


def _batches(images: "Sized", size: int) -> "Iterator[slice]":
    """Yield the parts, of ``size`` images, in which they are judged, so that few are in memory at a time."""
    return (slice(start, start + size) for start in range(0, len(images), size))


def _every(images: "Sized") -> int:
    """Return of how many images one has its features kept: of all, or of a part that memory holds."""
    return max(1, -(-len(images) // MOST_FEATURES))


class _Rows:
    """Rows that come in parts, in memory that is taken with the first part.

    Parts that were kept one by one would lie scattered over the memory that a batch frees, and keep the next batch from
    using it.
    """

    def __init__(self, count: int, width: int = 0) -> None:
        """Expect ``count`` rows, of ``width`` columns should none come."""
        self._count = count
        self._filled = 0
        self.rows = torch.empty(0, width)

    def add(self, part: Tensor) -> None:
        """Take the next rows, shape (rows, columns)."""
        if not self._filled:
            self.rows = torch.empty(self._count, part.shape[1])
        self.rows[self._filled : self._filled + len(part)] = part
        self._filled += len(part)


@torch.inference_mode()
def _judged(
    classifier: ScanClassifier, batches: "Iterable[NDArray[np.uint8]]", *, images: int, every: int = 1
) -> tuple[Tensor, "NDArray[np.float32]"]:
    """Return what the network in evaluation mode says of images, and its features of every so many of them.

    Args:
        classifier: The network.
        batches: Images, each batch uint8 of shape (batch, side, side).
        images: Number of them all.
        every: Of how many images one has its features kept.

    Returns:
        Logits, float32 of shape (images, classes) on the CPU, and features, float32 of shape (kept images, features).
    """
    classifier.eval()
    said, features = _Rows(images, classifier.hparams["num_classes"]), _Rows(-(-images // every))
    with features_noted(classifier.network, every=every) as noted:
        for batch in batches:
            said.add(classifier(torch.from_numpy(batch.copy()).unsqueeze(1).to(classifier.device)))
            features.add(noted.pop())
    return said.rows, features.rows.numpy()
