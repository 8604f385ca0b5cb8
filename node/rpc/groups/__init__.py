"""The RPC methods a chain offers, a module for each group of Substrate's names; context.py says what they
share."""
