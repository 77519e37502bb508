"""Starting points for one's own reward; ``tunestep reward new NAME`` copies one of them."""
