"""A simulator of acoustic scans of PQFN packages: geometry, delamination, image formation, data set."""
