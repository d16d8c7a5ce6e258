"""Looking after studies: what `study doctor` checks and what `study gc` frees."""
