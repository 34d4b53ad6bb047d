"""Training of one fold, from index sets to files."""

import logging
import warnings
from typing import TYPE_CHECKING

import lightning as L
import numpy as np
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from torch import Tensor

from csam_lightning.data.augment import Augmentation, AugmentationPlan
from csam_lightning.data.datamodule import EVALUATION_BATCH, FoldDataModule, LabelledScans
from csam_lightning.data.folds import Images
from csam_lightning.errors import InputError
from csam_lightning.files import written_atomically
from csam_lightning.model.classifier import ScanClassifier
from csam_lightning.training.callbacks import EpochKeeper
from csam_lightning.training.job import FoldFolder, FoldJob, FoldOutcome, FoldPredictions

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from csam_lightning.training.events import EpochEnded


def train_fold(job: FoldJob, tell: "Callable[[EpochEnded], None]") -> None:
    """Train one fold, or what is left of it, and write its files; see :class:`FoldFolder`.

    Equal jobs give equal files on the same machine, bit for bit on a CPU, also when interrupted and taken up again
    (but for the times in them).
    """
    folder = FoldFolder(job.folder)
    folder.path.mkdir(parents=True, exist_ok=True)
    for half_written in folder.path.glob(".*"):  # by a process that was killed
        half_written.unlink()
    _prepare_process(job)
    pixels = np.load(job.pixels, mmap_mode="r", allow_pickle=False)
    scans = LabelledScans(pixels[job.train_rows], job.codes)
    plan = _plan(job)
    classifier = _build(job, scans)
    keeper = EpochKeeper(folder, fold=job.fold.number, keep_best=job.trainer.select == "best", tell=tell)
    device = _fit(
        job, classifier, FoldDataModule(scans, job.fold, plan, batch_size=job.batch_size, seed=job.seed), keeper
    )
    epoch = _select(classifier, folder, epochs=len(keeper.history))
    classifier.to(device)
    train = probabilities(classifier, scans.pixels[job.fold.training_scans])
    predictions = FoldPredictions(
        validation=probabilities(classifier, images_as_seen(scans, job.fold.validation, plan)),
        test=probabilities(classifier, pixels[job.test_rows]),
    )
    outcome = _outcome(job, train, predictions, keeper.history, epoch)
    _write(folder, classifier, predictions, outcome)


def _prepare_process(job: FoldJob) -> None:
    torch.set_num_threads(job.trainer.threads_per_fold)
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")
    warnings.filterwarnings("ignore", message=".*isinstance.treespec, LeafSpec.*")
    seed = np.random.SeedSequence((job.seed, job.fold.number)).generate_state(1)[0]
    L.seed_everything(int(seed), verbose=False)


def _plan(job: FoldJob) -> AugmentationPlan:
    augmentation = Augmentation(rotation_degrees=job.augment.rotation_degrees, contrast=job.augment.contrast)
    if job.copies_frozen:
        return AugmentationPlan(augmentation, "once", job.seed, None)
    return AugmentationPlan(augmentation, job.augment.when.value, job.seed, job.fold.number)


def _build(job: FoldJob, scans: LabelledScans) -> ScanClassifier:
    seen = scans.pixels[job.fold.training_scans]
    return ScanClassifier(
        arch=job.model.arch,
        weights=job.model.weights,
        num_classes=job.num_classes,
        pixel_mean=float(seen.mean()),
        pixel_std=max(float(seen.std()), 1.0),
        learning_rate=job.trainer.learning_rate,
        weight_decay=job.trainer.weight_decay,
        warmup_epochs=job.trainer.warmup_epochs,
    )


def _fit(job: FoldJob, classifier: ScanClassifier, data: FoldDataModule, keeper: EpochKeeper) -> torch.device:
    """Train what is left to train and return the device it ran on."""
    trainer = _trainer(job, keeper)
    resume = FoldFolder(job.folder).resume
    trainer.fit(classifier, data, ckpt_path=resume if resume.is_file() else None, weights_only=True)
    return trainer.strategy.root_device


def _trainer(job: FoldJob, keeper: EpochKeeper) -> L.Trainer:
    try:
        return L.Trainer(
            max_epochs=job.trainer.max_epochs,
            accelerator=job.trainer.accelerator,
            devices=1,
            precision=job.trainer.precision,  # type: ignore[arg-type]  # checked by check_values
            callbacks=[keeper],
            logger=False,
            deterministic="warn",
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            default_root_dir=job.folder,
        )
    except (MisconfigurationException, ValueError, ImportError) as error:
        raise InputError(
            next(iter(str(error).splitlines()), type(error).__name__),
            where=f"trainer.accelerator={job.trainer.accelerator}",
            mend="give auto, cpu, or the kind of accelerator that this machine has",
        ) from error


def _select(classifier: ScanClassifier, folder: FoldFolder, *, epochs: int) -> int:
    """Put the chosen epoch's weights into ``classifier`` and return the epoch's number, from 1."""
    if not folder.best.is_file():
        return epochs
    best = torch.load(folder.best, map_location="cpu", weights_only=True)
    classifier.load_state_dict(best["state_dict"])
    return int(best["epoch"])


def _outcome(
    job: FoldJob,
    train: "NDArray[np.float32]",
    predictions: FoldPredictions,
    history: list[dict[str, float]],
    epoch: int,
) -> FoldOutcome:
    train_codes = job.codes[job.fold.training_scans]
    original = job.fold.validation.copy == 0
    return FoldOutcome(
        train_accuracy=float((train.argmax(axis=1) == train_codes).mean()),
        train_loss=cross_entropy(train, train_codes),
        val_loss=cross_entropy(predictions.validation[original], job.codes[job.fold.validation.scans]),
        epoch=epoch,
        images=len(job.fold.training) * len(history),
        seconds=sum(past["seconds"] for past in history),
    )


def _write(folder: FoldFolder, classifier: ScanClassifier, predictions: FoldPredictions, outcome: FoldOutcome) -> None:
    """Write the files of a finished fold, the outcome last, and drop what only an unfinished one needs."""
    parameters = {**classifier.hparams, "epoch": outcome.epoch}
    with written_atomically(folder.model) as temporary:
        torch.save({"state_dict": classifier.state_dict(), "hyper_parameters": parameters}, temporary)
    predictions.write(folder.predictions)
    outcome.write(folder.outcome)
    folder.resume.unlink(missing_ok=True)
    folder.best.unlink(missing_ok=True)


def images_as_seen(scans: LabelledScans, images: Images, plan: AugmentationPlan) -> "NDArray[np.uint8]":
    """Return images, uint8 of shape (images, side, side): scans as scanned, augmented copies as they were made."""
    pairs = zip(images.scan, images.copy, strict=True)
    seen = [
        plan.image(scans.pixels[scan], scan=int(scan), copy=int(copy), epoch=0) if copy else scans.pixels[scan]
        for scan, copy in pairs
    ]
    return np.stack(seen)


@torch.inference_mode()
def probabilities(classifier: ScanClassifier, pixels: "NDArray[np.uint8]") -> "NDArray[np.float32]":
    """Return class probabilities, float32 of shape (images, classes), with the network in evaluation mode.

    Args:
        classifier: The network.
        pixels: uint8 of shape (images, side, side).
    """
    classifier.eval()
    parts: list[Tensor] = [
        classifier(
            torch.from_numpy(np.array(pixels[start : start + EVALUATION_BATCH])).unsqueeze(1).to(classifier.device)
        )
        .softmax(dim=1)
        .cpu()
        for start in range(0, len(pixels), EVALUATION_BATCH)
    ]
    classes: int = classifier.hparams["num_classes"]
    return torch.cat(parts).numpy() if parts else np.empty((0, classes), dtype=np.float32)


def cross_entropy(predicted: "NDArray[np.float32]", codes: "NDArray[np.int64]") -> float:
    """Return the mean cross-entropy in nats; a probability below float32's smallest counts as that."""
    true = predicted[np.arange(len(codes)), codes].astype(np.float64)
    return float(-np.log(np.maximum(true, np.finfo(np.float32).tiny)).mean())
