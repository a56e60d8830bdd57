"""Language models: lean streaming clients, one per wire format."""

from parlour.models.base import Model
from parlour.registry import Table

MODELS: Table[Model] = Table("models", {"openai": "parlour.models.completions:CompletionsModel"})

__all__ = ["MODELS"]
