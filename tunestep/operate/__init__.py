"""What the owner of a stack does with it: look it over, deploy it, try it for the first time.

Nothing here is packaged into a function: it runs where the command runs, with that person's credentials.
"""
