"""Staking: who secures the public chain, with what at stake, for what reward, and at what risk."""
