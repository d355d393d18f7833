"""PLBM: train on history, predict per user and application, recommend instances, keep and load what was learned."""

from forecaster.plbm.plbm import PLBM

__all__ = ["PLBM"]
