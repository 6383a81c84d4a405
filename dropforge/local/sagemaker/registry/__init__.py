"""The registry: groups of model packages, and the versions in them."""
