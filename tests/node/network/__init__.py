"""Tests of peer identities and addresses."""
