"""Tests of the command line: every command, with bad input as much as good."""
