"""The stack: one module per concern. Imports nothing of the domain beyond settings and names."""
