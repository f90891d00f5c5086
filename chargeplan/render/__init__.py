"""Values to text: screen, JSON, Markdown. Nothing here decides or prints."""
