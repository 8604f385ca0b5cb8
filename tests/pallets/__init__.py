"""Tests of the pallets, one file for each, on the composed runtime."""
