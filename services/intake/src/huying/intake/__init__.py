"""The doors for reports: validated, identified, accepted once; and the vault of who reported."""
