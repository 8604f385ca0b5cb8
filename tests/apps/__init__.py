"""Tests of the separate programs and of the library that they speak to a chain with."""
