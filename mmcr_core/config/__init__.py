"""What determines a run: frozen, validated values with the options of each kind beside its name. Imports no torch."""
