"""Old conversations, out of the database into files and back."""
