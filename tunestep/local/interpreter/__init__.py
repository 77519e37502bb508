"""A small interpreter of the Amazon States Language (JSONPath), and the engine that runs it.

``core.step`` is pure: definition, execution and event in, execution and history out. ``store`` keeps
what it returns, ``engine`` decides when to call it, ``tunestep.local.stepfunctions`` is the API over it.
"""
