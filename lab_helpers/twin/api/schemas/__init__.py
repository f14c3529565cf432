"""Field names, types and list keys of the built-in kinds, as data, and what is derived from them."""
