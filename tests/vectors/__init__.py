"""Test vectors of independent implementations, and the program that runs them: `python -m tests.vectors
FILE…`.
"""
