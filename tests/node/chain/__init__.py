"""Tests of the chain: import, forks, finality, replay."""
