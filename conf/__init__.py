"""The Hydra configuration tree; a package, so that it ships inside the wheel."""
