from tests.predicting.conftest import ensemble, familiar, model_file

__all__ = ["ensemble", "familiar", "model_file"]
