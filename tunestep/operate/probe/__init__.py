"""`tunestep probe`: what is only believed of AWS is tried in an account, one numbered claim after the other.

The claims are the numbered lines of docs/limits.md, "Not yet tried on AWS".
"""
