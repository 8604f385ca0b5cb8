"""Compositions and chain specs: the only place where pallets meet."""
