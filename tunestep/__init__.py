"""Tunestep: fine-tuning as one governed, repeatable run on AWS or on a laptop."""

__version__ = "0.1.0"
