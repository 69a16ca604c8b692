"""Output and options of commands: tables and JSON (output), numbers (formatting), options."""
