"""`tunestep doctor`: is everything there that runs need, and what has to be done where it is not?

Each module looks at one part and yields diagnoses; nothing here changes anything.
"""

from tunestep.operate.doctor.diagnosis import Diagnosis
from tunestep.operate.doctor.examination import CHECKS, Check, examine

__all__ = ["CHECKS", "Check", "Diagnosis", "examine"]
