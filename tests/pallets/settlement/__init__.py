"""Tests of the algorithms in pallets/settlement."""
