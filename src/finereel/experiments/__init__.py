"""The papers' experiments: which variants, trained how, on which test bed, and the tables that come of it."""

from finereel.experiments.run import EXPERIMENTS, Request, run_experiment

__all__ = ["EXPERIMENTS", "Request", "run_experiment"]
