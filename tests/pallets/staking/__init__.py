"""Tests of the pallets in pallets/staking."""
