"""Tests of the pallet framework."""
