"""Who calls the laptop cloud, and whether the policies of the caller's role allow it."""
