"""The first job: raw files to documents/ and decisions/."""
