"""The parts of a world: reading its file, the built-in one, and making it real."""
