"""The functions of the stack: one small module per verb, no logic."""
