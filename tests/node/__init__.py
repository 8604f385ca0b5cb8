"""Tests of the node program: command line, configuration, keystore, telemetry, storage, pool and RPC."""
