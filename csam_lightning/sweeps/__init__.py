"""Many cells from one command: what a sweep is going to do, how far it is, and what came out."""
