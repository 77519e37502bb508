"""Certification: a reward is tried on rows of the user's own data before a dollar is spent on training."""
