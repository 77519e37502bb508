"""Private to ``math_answer``: extraction, reading, comparison and the symbolic second opinion."""
