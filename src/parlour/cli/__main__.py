"""``python -m parlour.cli`` is the same as ``parlour``."""

from parlour.cli.main import main

main()
