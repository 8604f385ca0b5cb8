"""Tests of the pallets every chain has."""
