"""Tests of the algorithms in pallets/certificates."""
