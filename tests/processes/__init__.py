"""Tests that start the node as a process of its own and treat it badly."""
