"""How objects are printed: tables, YAML, JSON, names, jsonpath, custom columns."""
