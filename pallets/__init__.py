"""The pallets, a folder for each domain; a pallet never imports another."""
