"""Tests of the author, of the intake, and of what comes from elsewhere."""
