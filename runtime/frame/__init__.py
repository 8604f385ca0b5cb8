"""The pallet framework: state, storage items, calls, executive, metadata; it must not know any particular pallet."""
