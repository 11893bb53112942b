"""Power-law fits, resampling, diagnostics: statistics that know no sweep."""
