"""Sans-IO engines, the signing guard and fork choice."""
