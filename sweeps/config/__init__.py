"""A YAML grid file to frozen run specs, every mistake with its line; the JSON schema of grids."""
