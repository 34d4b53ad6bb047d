"""New scans judged by a model: verdicts, what a person is to look at, and where the networks looked."""
