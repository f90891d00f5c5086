"""The remote: Propexo's API over HTTP (client, pacing), its JSON as values (wire), and what each system needs (vendors)."""
