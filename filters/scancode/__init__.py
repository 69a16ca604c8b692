"""The license a file names itself: legal passages, ScanCode's detection, and the header veto."""
