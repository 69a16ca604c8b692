"""What the terminal shows: tables and JSON (output), numbers (formatting), options (options)."""
