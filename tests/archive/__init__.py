"""Old conversations, out of the database and back."""
