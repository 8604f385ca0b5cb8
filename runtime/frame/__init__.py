"""The pallet framework: state, storage, calls, executive, metadata; it knows no particular pallet."""
