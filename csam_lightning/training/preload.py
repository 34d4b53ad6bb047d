"""What a fold's process imports: PyTorch, Lightning and more, loaded once by the server that all are forked from."""

from csam_lightning.machine.imports import loading

with loading():
    import sklearn.covariance  # noqa: F401 -- what a fold needs at its end, half a second that each would spend anew

    import csam_lightning.training.fold  # noqa: F401
