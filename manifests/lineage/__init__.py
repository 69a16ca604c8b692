"""Where an output comes from: manifest.json, receipts of parts, and the chain of manifests."""
