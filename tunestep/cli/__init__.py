"""The ``tunestep`` command: the same verbs against a deployed stack and against this machine."""
