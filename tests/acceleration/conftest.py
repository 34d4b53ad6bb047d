from tests.training.conftest import job

__all__ = ["job"]
