"""The second job: documents/ to signatures/, clusters and duplicates/."""
