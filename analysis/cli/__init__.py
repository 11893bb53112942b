"""What analysis commands share: options, output files, tables in the terminal."""
