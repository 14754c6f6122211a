"""The papers' experiments: which variants, trained how, on which benchmark, and the tables that
come of it.
"""

from research.run import EXPERIMENTS, ExperimentRequest, run_experiment

__all__ = ["EXPERIMENTS", "ExperimentRequest", "run_experiment"]
