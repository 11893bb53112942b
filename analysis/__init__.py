"""From a result store to fits, figures and a report. Reads parquet only; imports neither torch nor ray.

Commands, and modules for notebooks -> pages -> laws -> reading -> sweeps.storage: imports go this way only.
"""
