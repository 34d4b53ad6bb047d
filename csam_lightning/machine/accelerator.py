"""Whether this machine has what a training is to run on."""

import logging

from csam_lightning.errors import InputError


def check_accelerator(name: str, devices: int = 1, *, cuda_graphs: bool = False) -> None:
    """Check that this machine has so many devices of the accelerator ``name``; of ``cpu`` there is no want.

    Torch is imported only where that is in doubt. ``cuda_graphs`` asks whether it can record CUDA graphs besides.

    Raises:
        InputError: It has not.
    """
    if not cuda_graphs and (name == "cpu" or (name == "auto" and devices == 1)):
        return
    import lightning as L
    from lightning.fabric.plugins.environments.lightning import LightningEnvironment
    from lightning.fabric.utilities.exceptions import MisconfigurationException
    from lightning.pytorch.accelerators import CPUAccelerator, CUDAAccelerator

    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    try:
        trainer = L.Trainer(
            accelerator=name,
            devices=1,
            plugins=[LightningEnvironment()],  # else Lightning looks for a Slurm
            logger=False,
            enable_checkpointing=False,
            enable_model_summary=False,
        )
    except (MisconfigurationException, ValueError, ImportError) as error:
        raise InputError(
            next(iter(str(error).splitlines()), type(error).__name__),
            where=f"trainer.accelerator={name}",
            mend="give auto, cpu, or the kind of accelerator that this machine has",
        ) from error
    kind = trainer.accelerator.name()
    if cuda_graphs and not isinstance(trainer.accelerator, CUDAAccelerator):
        raise InputError(
            f"CUDA graphs need an NVIDIA GPU, and trainer.accelerator={name} is {kind} here",
            where="trainer.cuda_graphs=true",
            mend="leave it out",
        )
    there = trainer.accelerator.auto_device_count()
    if devices > there and not isinstance(trainer.accelerator, CPUAccelerator):
        raise InputError(
            f"this machine has {there} of the accelerator {kind}, not {devices}",
            where=f"trainer.devices={devices}",
            mend=f"give at most {there}, or trainer.accelerator=cpu",
        )
