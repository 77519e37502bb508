"""The laptop cloud: the synthesized template, deployed into one process on one loopback port."""
