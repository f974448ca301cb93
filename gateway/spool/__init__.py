"""The bytes of one upload: written once, read by many, also while they are still arriving."""
