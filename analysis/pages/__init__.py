"""What a person reads: figures, tables, HTML, the options that commands share."""
