"""Tests of logs, metrics and the status line."""
