"""Whether this machine has what a training is to run on."""

import logging

from csam_lightning.errors import InputError

ALWAYS_THERE = ("auto", "cpu")


def check_accelerator(name: str) -> None:
    """Check that this machine has the accelerator ``name``; torch is imported only where that is in doubt.

    Raises:
        InputError: It has not.
    """
    if name in ALWAYS_THERE:
        return
    import lightning as L
    from lightning.fabric.utilities.exceptions import MisconfigurationException

    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    try:
        L.Trainer(accelerator=name, devices=1, logger=False, enable_checkpointing=False, enable_model_summary=False)
    except (MisconfigurationException, ValueError, ImportError) as error:
        raise InputError(
            next(iter(str(error).splitlines()), type(error).__name__),
            where=f"trainer.accelerator={name}",
            mend="give auto, cpu, or the kind of accelerator that this machine has",
        ) from error
