"""Change set ↔ plan file: what people approve, sealed against any change."""
