"""Deployable reward functions, one module each, and the kit that they share.

The policy that all of them keep, as far as each is concerned:

* The final answer counts, not the way to it. Length, keywords, working and the question again earn nothing.
* Two different final answers score 0, whichever comes first; so does an answer that takes itself back.
* ``42.`` equals ``42``. A list with spaces is not a number.
* What cannot be judged (a missing or unreadable reference, a row out of shape, a configuration that does not
  hold) is an outcome of its own: 0.0 with the metric ``error``, or ``timeout``, never a wrong answer.
* Data is never code: nothing in a row is evaluated, opened or fetched.
"""
