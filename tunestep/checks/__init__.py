"""The checks of a plan, one module per concern; each adds its findings and never hides another's."""
