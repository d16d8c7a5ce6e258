"""What a study leaves on disk: its ledger, file names, lock, and how damage is found."""
